using StorageOs.Contracts.Runtime;

namespace StorageOs.Simulator.Whole;

/// <summary>
/// What a pair and its clients are like. Most seeds are of the usual shape, which is the fastest;
/// one in eight goes where that one hardly ever comes.
/// </summary>
/// <param name="Name">Its name, for the story.</param>
/// <param name="VolumeBytes">Size of each volume.</param>
/// <param name="Haste">How many times faster clients go on after an answer.</param>
/// <param name="WideOneIn">One operation in so many is of more than one block.</param>
/// <param name="DiskDelayMax">Nanoseconds that an operation of a sound disk takes at most.</param>
/// <param name="Patience">
/// How long a client waits for an answer before it tries the other node. One in three waits long.
/// </param>
/// <param name="BlocksUsed">Blocks of a volume that clients use.</param>
/// <param name="Always">Faults of every such run; of the others each has some.</param>
internal sealed record PairShape(
    string Name, int VolumeBytes, int Haste, int WideOneIn, long DiskDelayMax, long Patience,
    int BlocksUsed, FaultKinds Always)
{
    /// <summary>How long a client waits that does not give up soon.</summary>
    public const long LongPatience = 20 * World.Second;

    /// <summary>Small volumes, thoughtful clients, fast disks.</summary>
    public static readonly PairShape Usual = new(
        "usual", 64 * Size.KiB, 1, 12, World.Millisecond, LongPatience, 16,
        FaultKinds.None);

    /// <summary>Logs that are full most of the time: what waits for room goes on from within.</summary>
    public static readonly PairShape Filling = Usual with
    {
        Name = "filling",
        Haste = 10,
        WideOneIn = 1,
        DiskDelayMax = 100 * World.Millisecond,
        Always = FaultKinds.Disk,
    };

    /// <summary>Volumes of which a resync compares a sample only.</summary>
    public static readonly PairShape Wide = Usual with
    {
        Name = "wide",
        VolumeBytes = 4 * Size.MiB,
        BlocksUsed = 128,
        Always = FaultKinds.Kill,
    };

    /// <summary>Clients that have gone to the partner before a paused owner wakes.</summary>
    public static readonly PairShape Impatient = Usual with
    {
        Name = "impatient",
        Haste = 5,
        Patience = 300 * World.Millisecond,
        BlocksUsed = 3,
        Always = FaultKinds.Pause,
    };

    /// <summary>
    /// Whether a run has some kinds of faults and not the others: what needs many of one kind is
    /// found by runs that have hardly any other (Groce et al., Swarm Testing, 2012).
    /// </summary>
    public bool ChoosesFaults => this != Usual;

    /// <summary>Whether a disk has done its work some time before it says so.</summary>
    public bool DiskAnswersLate => this != Usual;

    /// <summary>The shape of a seed's pair.</summary>
    public static PairShape Of(ulong seed) => seed % 8 != 3 ? Usual : (seed / 8 % 3) switch
    {
        0 => Filling,
        1 => Wide,
        _ => Impatient,
    };
}
