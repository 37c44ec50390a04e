using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Transports;

namespace CountingTransport;

// A transport around another: every operation of every port is counted and then done by the inner
// one. Regions and remote memory pass through as they are, for the inner transport wants its own.

/// <summary>What went over the transport since boot. Any thread.</summary>
public sealed class Counts : IStatusReporter
{
    private long reads;
    private long writes;
    private long bytes;

    public string Section => "counting";

    public void Read(int length)
    {
        Interlocked.Increment(ref reads);
        Interlocked.Add(ref bytes, length);
    }

    public void Write(int length)
    {
        Interlocked.Increment(ref writes);
        Interlocked.Add(ref bytes, length);
    }

    public JsonNode Report() => new JsonObject
    {
        ["reads"] = Interlocked.Read(ref reads),
        ["writes"] = Interlocked.Read(ref writes),
        ["bytes"] = Interlocked.Read(ref bytes),
    };
}

internal sealed class CountingProvider(ITransportProvider inner, Counts counts) : ITransportProvider
{
    public ITransport Open(TransportSettings settings, Action changed) =>
        new Transport(inner.Open(settings, changed), counts);

    public IReadOnlyList<TransportFact> Inspect() => inner.Inspect();

    public TransportSelfTest? SelfTest(TransportSettings settings) => inner.SelfTest(settings);

    private sealed class Transport(ITransport inner, Counts counts) : ITransport
    {
        public TransportTraits Traits => inner.Traits with { Name = "counting" };

        public IRegion Map(RegionNeed need) => inner.Map(need);

        public IWellKnownPort OpenWellKnown(WellKnownNeed need) =>
            new WellKnown(inner.OpenWellKnown(need), counts);

        public IPreparedPort Prepare(PortNeed need) => new Prepared(inner.Prepare(need), counts);

        public IRemoteMemory Import(RemoteRegion offer) => inner.Import(offer);

        public void Dispose() => inner.Dispose();
    }

    private sealed class WellKnown(IWellKnownPort inner, Counts counts) : IWellKnownPort
    {
        private IPort? port;

        public string Detail => inner.Detail;

        public IPort Port => port ??= CountingPort.Around(inner.Port, counts);

        public IRemoteMemory PartnerPage => inner.PartnerPage;

        public IRemoteMemory PartnerInbox => inner.PartnerInbox;

        public WellKnownState Poll() => inner.Poll();

        public void Dispose() => inner.Dispose();
    }

    private sealed class Prepared(IPreparedPort inner, Counts counts) : IPreparedPort
    {
        public ReadOnlyMemory<byte> Address => inner.Address;

        public IPort Connect(ReadOnlySpan<byte> partnerAddress) =>
            CountingPort.Around(inner.Connect(partnerAddress), counts);

        public void Dispose() => inner.Dispose();
    }
}

/// <summary>Counts what the inner port accepted.</summary>
internal class CountingPort(IPort inner, Counts counts) : IPort
{
    /// <summary>With the optional ability that matters to who waits, if the inner one has it.</summary>
    internal static CountingPort Around(IPort inner, Counts counts) =>
        inner is ICompletionChannel channel
            ? new WithChannel(inner, channel, counts)
            : new CountingPort(inner, counts);

    public PortState State => inner.State;

    public bool PartnerExited => inner.PartnerExited;

    public int PostsInFlightMax => inner.PostsInFlightMax;

    public bool TryPostWrite(
        ulong token, IRegion source, int sourceOffset, IRemoteMemory target, long targetOffset,
        int length)
    {
        bool posted = inner.TryPostWrite(
            token, source, sourceOffset, target, targetOffset, length);
        if (posted)
        {
            counts.Write(length);
        }

        return posted;
    }

    public bool TryPostWriteWord(ulong token, ulong value, IRemoteMemory target, long targetOffset)
    {
        bool posted = inner.TryPostWriteWord(token, value, target, targetOffset);
        if (posted)
        {
            counts.Write(sizeof(ulong));
        }

        return posted;
    }

    public bool TryPostRead(
        ulong token, IRegion destination, int destinationOffset, IRemoteMemory source,
        long sourceOffset, int length)
    {
        bool posted = inner.TryPostRead(
            token, destination, destinationOffset, source, sourceOffset, length);
        if (posted)
        {
            counts.Read(length);
        }

        return posted;
    }

    public void Hold() => inner.Hold();

    public void Ring() => inner.Ring();

    public int Poll(Span<Completion> completions) => inner.Poll(completions);

    public void Dispose() => inner.Dispose();

    private sealed class WithChannel(IPort inner, ICompletionChannel channel, Counts counts)
        : CountingPort(inner, counts), ICompletionChannel
    {
        public SafeHandle Descriptor => channel.Descriptor;

        public void Arm() => channel.Arm();
    }
}
