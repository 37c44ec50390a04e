using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.Simulator.Whole;

/// <summary>
/// What a pair and its clients are like. Most seeds are of the usual shape, which is the fastest;
/// one in eight goes where that one hardly ever comes, and one in eight is configured otherwise.
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
    /// Memory that survives a loss of power, of one machine or both at once, and clients that ask
    /// for as much with every write (L6).
    /// </summary>
    public static readonly PairShape Powered = Usual with
    {
        Name = "powered",
        Always = FaultKinds.Power,
        Persistence = PersistenceLevel.Power,
        Giveback = GivesBack,
    };

    /// <summary>The same with volumes of which a resync compares a sample only.</summary>
    public static readonly PairShape PoweredWide = Powered with
    {
        Name = "powered, wide",
        VolumeBytes = Wide.VolumeBytes,
        BlocksUsed = Wide.BlocksUsed,
    };

    /// <summary>An operator moves the register from one witness to the next.</summary>
    public static readonly PairShape Moving = Usual with
    {
        Name = "moving",
        Always = FaultKinds.Witness | FaultKinds.Operator,
        Witnesses = 2,
        Giveback = GivesBack,
    };

    /// <summary>
    /// No witness, and each node's record where the other can read it once its process is gone
    /// (S13).
    /// </summary>
    public static readonly PairShape NoWitness = Usual with
    {
        Name = "no witness",
        Always = FaultKinds.Kill,
        Never = FaultKinds.Witness,
        Witnesses = 0,
    };

    /// <summary>
    /// Which block of a volume is the one so many of those that are used: in a volume that is wide
    /// they lie far apart, two in each place.
    /// </summary>
    public int BlockAt(int used)
    {
        const int OfPlace = 2;
        int blocks = VolumeBytes / History.BlockBytes;
        return VolumeBytes <= Usual.VolumeBytes ? used
            : (used / OfPlace * (blocks / (BlocksUsed / OfPlace))) + (used % OfPlace);
    }

    /// <summary>Faults that such a run does not have.</summary>
    public FaultKinds Never { get; init; }

    /// <summary>The level of both nodes.</summary>
    public PersistenceLevel Persistence { get; init; } = PersistenceLevel.Process;

    /// <summary>How many witnesses there are; with two, the register can move.</summary>
    public int Witnesses { get; init; } = 1;

    /// <summary>When a group goes home by itself.</summary>
    public GivebackSettings Giveback { get; init; } = GivebackSettings.Off;

    /// <summary>
    /// Whether a run has some kinds of faults and not the others: what needs many of one kind is
    /// found by runs that have hardly any other (Groce et al., Swarm Testing, 2012).
    /// </summary>
    public bool ChoosesFaults => this != Usual;

    /// <summary>Whether a disk has done its work some time before it says so.</summary>
    public bool DiskAnswersLate => this != Usual;

    private static GivebackSettings GivesBack => new(
        TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), 3, TimeSpan.FromSeconds(5));

    /// <summary>The shape of a seed's pair.</summary>
    public static PairShape Of(ulong seed) => (seed % 8, seed / 8 % 3) switch
    {
        (3, 0) => Filling,
        (3, 1) => Wide,
        (3, _) => Impatient,
        (7, 0) => seed / 24 % 2 == 0 ? Powered : PoweredWide,
        (7, 1) => Moving,
        (7, _) => NoWitness,
        _ => Usual,
    };
}
