// The way between the two nodes: how long an operation takes, whether it arrives, and which memory
// answers to which key. What a port may assume is what the verbs model permits: order within a
// port, none between ports; bytes of a write that was under way when its sender ended may still land;
// an aligned word lands whole, anything wider in pieces.
namespace StorageOs.Simulator.Whole;

/// <summary>The link between the nodes of a pair.</summary>
internal sealed class Fabric(World world)
{
    private readonly Dictionary<ulong, PortEnd> ends = [];
    private readonly List<NodeTransport> transports = [];
    private ulong lastNumber = 1;

    /// <summary>The world.</summary>
    public World World => world;

    /// <summary>The most nanoseconds that an operation takes one way.</summary>
    public long DelayMax { get; set; } = 50_000;

    /// <summary>One operation in so many is complete when its post returns; 0: none.</summary>
    public int AtOnceOneIn { get; set; }

    /// <summary>One wide operation in so many lands in two pieces.</summary>
    public int TornOneIn { get; set; } = 8;

    /// <summary>Whether operations complete while the partner's process is stopped.</summary>
    public bool OneSided { get; set; } = true;

    /// <summary>
    /// Whether bytes can land in offered memory after the port they came by was closed, as where a
    /// writer has the memory mapped.
    /// </summary>
    public bool OutlivesPorts { get; set; }

    /// <summary>Whether the operating system tells that the other process has ended.</summary>
    public bool TellsExits { get; set; }

    /// <summary>
    /// Whether an exit that one port was told of is known to the others of that node at once, as
    /// where the operating system is asked for the process.
    /// </summary>
    public bool KnowsExits { get; set; }

    /// <summary>Nothing gets through.</summary>
    public bool IsCut { get; private set; }

    /// <summary>How much slower than usual.</summary>
    public int SlowFactor { get; set; } = 1;

    /// <summary>Operations that have landed.</summary>
    public long Landed { get; set; }

    /// <summary>A number that was never given before: a key, an end.</summary>
    public ulong NewNumber() => ++lastNumber;

    /// <summary>How long something takes one way.</summary>
    public long Delay() => 1 + world.Random.Below(DelayMax * SlowFactor);

    /// <summary>A transport of a new boot.</summary>
    public void Add(NodeTransport transport) => transports.Add(transport);

    /// <summary>A transport whose process has ended.</summary>
    public void Remove(NodeTransport transport) => transports.Remove(transport);

    /// <summary>An end that the other node can name.</summary>
    public void Add(PortEnd end) => ends[end.Number] = end;

    /// <summary>An end that is no more.</summary>
    public void Remove(PortEnd end) => ends.Remove(end.Number);

    /// <summary>The end of that number; null when it is no more.</summary>
    public PortEnd? Find(ulong number) => ends.GetValueOrDefault(number);

    /// <summary>Cuts the link: what is under way may arrive or not.</summary>
    /// <param name="first">The most nanoseconds until one node notices.</param>
    /// <param name="last">The most nanoseconds until the other does.</param>
    public void Cut(long first, long last)
    {
        IsCut = true;
        ulong quick = 1 + (ulong)world.Random.Below(2);
        foreach (PortEnd end in ends.Values.ToArray())
        {
            end.LinkLost(world.Random.Below(end.NodeId == quick ? first : last));
        }
    }

    /// <summary>The link is back.</summary>
    public void Heal()
    {
        IsCut = false;
        SlowFactor = 1;
        MatchWellKnown();
    }

    /// <summary>Connects the two well-known ports when both are being opened.</summary>
    public void MatchWellKnown()
    {
        if (IsCut || transports.Count != 2)
        {
            return;
        }

        (WellKnownEnd? a, WellKnownEnd? b) = (transports[0].WellKnown, transports[1].WellKnown);
        if (a is { IsWaiting: true } && b is { IsWaiting: true } && !a.IsMatchedWith(b))
        {
            a.Match(b);
            b.Match(a);
            world.After(Delay(), () => Connect(a, b));
        }
    }

    private void Connect(WellKnownEnd a, WellKnownEnd b)
    {
        if (a.IsWaiting && b.IsWaiting && a.IsMatchedWith(b) && !IsCut)
        {
            (PortEnd atA, PortEnd atB) = (a.MakePort(), b.MakePort());
            atA.ConnectTo(atB);
            atB.ConnectTo(atA);
            a.Connected(atA, b);
            b.Connected(atB, a);
        }
        else if (a.IsWaiting || b.IsWaiting)
        {
            a.Unmatch();
            b.Unmatch();
            MatchWellKnown();
        }
    }
}
