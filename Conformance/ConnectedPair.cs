using System.Diagnostics;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Conformance;

/// <summary>A pair whose well-known port is up, with what the cases need again and again.</summary>
internal sealed class ConnectedPair : IDisposable
{
    /// <summary>
    /// How long anything that must happen may take; generous, for machines are shared.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Preset address of the first node's page.</summary>
    public const ulong FirstPageAddress = 0x5000_0000_0000;

    /// <summary>Preset address of the second node's page.</summary>
    public const ulong SecondPageAddress = 0x6000_0000_0000;

    private readonly IRegion firstInbox;
    private readonly IRegion secondInbox;

    /// <summary>Maps pages and inboxes and connects.</summary>
    public ConnectedPair(ITransportPair pair)
    {
        Pair = pair;
        FirstPage = MapPage(pair.First, FirstPageAddress);
        SecondPage = MapPage(pair.Second, SecondPageAddress);
        firstInbox = MapInbox(pair.First);
        secondInbox = MapInbox(pair.Second);
        (FirstWellKnown, SecondWellKnown) = Connect();
    }

    public ITransportPair Pair { get; }

    public ITransport First => Pair.First;

    public ITransport Second => Pair.Second;

    public IRegion FirstPage { get; }

    public IRegion SecondPage { get; }

    public IRegion FirstInbox => firstInbox;

    public IRegion SecondInbox => secondInbox;

    public IWellKnownPort FirstWellKnown { get; private set; }

    public IWellKnownPort SecondWellKnown { get; private set; }

    /// <summary>What the first node opens its well-known port with.</summary>
    public WellKnownNeed FirstNeed => new(
        Pair.FirstPort,
        Pair.SecondAddress,
        Pair.SecondPort,
        SecondPageAddress,
        Connects: true,
        FirstPage,
        firstInbox);

    /// <summary>What the second node opens its well-known port with.</summary>
    public WellKnownNeed SecondNeed => new(
        Pair.SecondPort,
        Pair.FirstAddress,
        Pair.FirstPort,
        FirstPageAddress,
        Connects: false,
        SecondPage,
        secondInbox);

    /// <summary>Ends the well-known port and brings it up anew.</summary>
    public void Reconnect()
    {
        FirstWellKnown.Dispose();
        SecondWellKnown.Dispose();
        (FirstWellKnown, SecondWellKnown) = Connect();
    }

    /// <summary>A connected port between the nodes.</summary>
    public (IPort First, IPort Second) Ports(int postsInFlightMax = 16)
    {
        PortNeed need = new("case", postsInFlightMax);
        IPreparedPort first = First.Prepare(need);
        IPreparedPort second = Second.Prepare(need);
        return (first.Connect(second.Address.Span), second.Connect(first.Address.Span));
    }

    /// <summary>Memory of a node.</summary>
    public static IRegion Map(
        ITransport transport,
        int bytes,
        RemoteAccess access = RemoteAccess.Read | RemoteAccess.Write,
        string? backing = null) =>
        transport.Map(new RegionNeed("case", bytes, access, backing));

    /// <summary>Polls until it holds.</summary>
    public static void Await(Func<bool> condition, string what)
    {
        long start = Stopwatch.GetTimestamp();
        SpinWait spin = default;
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > Patience)
            {
                throw new ConformanceException($"did not come within {Patience}: {what}");
            }

            spin.SpinOnce();
        }
    }

    /// <summary>Polls both ends until they are connected.</summary>
    public static void AwaitConnected(IWellKnownPort first, IWellKnownPort second)
    {
        try
        {
            Await(
                () => first.Poll() == WellKnownState.Connected
                    & second.Poll() == WellKnownState.Connected,
                "the well-known port");
        }
        catch (ConformanceException late)
        {
            throw new ConformanceException($"{late.Message}; {first.Detail}; {second.Detail}");
        }
    }

    /// <summary>The one completion of the one post in flight.</summary>
    public static CompletionStatus Complete(IPort port, ulong token = 0)
    {
        Completion[] one = new Completion[1];
        Await(() => port.Poll(one) == 1, "a completion");
        Check.Equal(token, one[0].Token);
        return one[0].Status;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        FirstWellKnown.Dispose();
        SecondWellKnown.Dispose();
        FirstPage.Dispose();
        SecondPage.Dispose();
        firstInbox.Dispose();
        secondInbox.Dispose();
    }

    private (IWellKnownPort First, IWellKnownPort Second) Connect()
    {
        IWellKnownPort first = First.OpenWellKnown(FirstNeed);
        IWellKnownPort second = Second.OpenWellKnown(SecondNeed);
        AwaitConnected(first, second);
        return (first, second);
    }

    private static IRegion MapPage(ITransport transport, ulong address) =>
        transport.Map(new RegionNeed("page", Size.Page, RemoteAccess.Read)
        {
            PresetAddress = address,
        });

    private static IRegion MapInbox(ITransport transport) => transport.Map(
        new RegionNeed("inbox", Size.Page, RemoteAccess.Read | RemoteAccess.Write));
}
