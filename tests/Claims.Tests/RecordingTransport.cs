using System.Collections.Concurrent;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Claims.Tests;

/// <summary>One operation on the wire: what, where, and whether its post was accepted.</summary>
internal sealed record WireOperation(string Kind, ulong Address, long Offset);

/// <summary>
/// The real transport, with every operation on the well-known port written down, and one that can
/// be made to fail or to stay unanswered.
/// </summary>
internal sealed class RecordingProvider(ITransportProvider inner) : ITransportProvider
{
    public ConcurrentQueue<WireOperation> Wire { get; } = new();

    public ConcurrentQueue<WellKnownNeed> Opened { get; } = new();

    /// <summary>
    /// Number of the operation, from 0, whose completion shall say that it failed; -1 for none.
    /// </summary>
    public int FailAt { get; set; } = -1;

    /// <summary>
    /// Number of the operation, from 0, whose completion shall not be seen until this is -1 again:
    /// a node that stops right there.
    /// </summary>
    public int HoldAt { get; set; } = -1;

    /// <summary>How many polls of the well-known port are refused from now on.</summary>
    public int PollsToRefuse;

    /// <summary>How many ports are refused to be closed from now on, though they are.</summary>
    public int EndsToRefuse;

    /// <summary>
    /// Whether a client's port that the partner has closed says that it failed, as a network card
    /// has it.
    /// </summary>
    public bool SaysFailed { get; set; }

    /// <summary>The clients' ports, as they were connected.</summary>
    public ConcurrentQueue<IPort> ClientPorts { get; } = new();

    /// <summary>Transport settings it was opened with.</summary>
    public TransportSettings? Settings { get; private set; }

    public ITransport Open(TransportSettings settings, Action changed)
    {
        Settings = settings;
        return new Recording(this, inner.Open(settings, changed));
    }

    private void End(IDisposable port)
    {
        port.Dispose();
        if (Interlocked.Decrement(ref EndsToRefuse) >= 0)
        {
            throw new RefusedException(new("ibv_destroy_qp", "success", "error 5"));
        }
    }

    private sealed class Recording(RecordingProvider owner, ITransport inner) : ITransport
    {
        public TransportTraits Traits => inner.Traits;

        public IRegion Map(RegionNeed need) => inner.Map(need);

        public IWellKnownPort OpenWellKnown(WellKnownNeed need)
        {
            owner.Opened.Enqueue(need);
            return new WellKnown(owner, inner.OpenWellKnown(need));
        }

        public IPreparedPort Prepare(PortNeed need) => new Prepared(owner, inner.Prepare(need));

        public IRemoteMemory Import(RemoteRegion offer) => inner.Import(offer);

        public void Dispose() => inner.Dispose();
    }

    private sealed class WellKnown(RecordingProvider owner, IWellKnownPort inner) : IWellKnownPort
    {
        private Port? port;

        public string Detail => inner.Detail;

        IPort IWellKnownPort.Port => port ??= new Port(owner, inner.Port);

        public IRemoteMemory PartnerPage => inner.PartnerPage;

        public IRemoteMemory PartnerInbox => inner.PartnerInbox;

        public WellKnownState Poll() => Interlocked.Decrement(ref owner.PollsToRefuse) >= 0
            ? throw new RefusedException(new("a socket", "a free descriptor", "none"))
            : inner.Poll();

        public void Dispose() => owner.End(inner);
    }

    private sealed class ClientPort(RecordingProvider owner, IPort inner) : IPort
    {
        public PortState State => owner.SaysFailed && inner.State == PortState.ClosedByPartner
            ? PortState.Failed : inner.State;

        public bool PartnerExited => inner.PartnerExited;

        public int PostsInFlightMax => inner.PostsInFlightMax;

        public bool TryPostWrite(
            ulong token, IRegion source, int sourceOffset, IRemoteMemory target, long targetOffset,
            int length) =>
            inner.TryPostWrite(token, source, sourceOffset, target, targetOffset, length);

        public bool TryPostWriteWord(
            ulong token, ulong value, IRemoteMemory target, long targetOffset) =>
            inner.TryPostWriteWord(token, value, target, targetOffset);

        public bool TryPostRead(
            ulong token, IRegion destination, int destinationOffset, IRemoteMemory source,
            long sourceOffset, int length) =>
            inner.TryPostRead(token, destination, destinationOffset, source, sourceOffset, length);

        public int Poll(Span<Completion> completions) => inner.Poll(completions);

        public void Dispose() => owner.End(inner);
    }

    private sealed class Prepared(RecordingProvider owner, IPreparedPort inner) : IPreparedPort
    {
        public ReadOnlyMemory<byte> Address => inner.Address;

        public IPort Connect(ReadOnlySpan<byte> partnerAddress)
        {
            IPort port = inner.Connect(partnerAddress);
            owner.ClientPorts.Enqueue(port);
            return new ClientPort(owner, port);
        }

        public void Dispose() => inner.Dispose();
    }

    private sealed class Port(RecordingProvider owner, IPort inner) : IPort
    {
        private readonly HashSet<ulong> failing = [];

        public PortState State => inner.State;

        public int PostsInFlightMax => inner.PostsInFlightMax;

        public bool TryPostWrite(
            ulong token, IRegion source, int sourceOffset, IRemoteMemory target, long targetOffset,
            int length) =>
            Note("write", token, target, targetOffset)
            && inner.TryPostWrite(token, source, sourceOffset, target, targetOffset, length);

        public bool TryPostWriteWord(
            ulong token, ulong value, IRemoteMemory target, long targetOffset) =>
            Note("write", token, target, targetOffset)
            && inner.TryPostWriteWord(token, value, target, targetOffset);

        public bool TryPostRead(
            ulong token, IRegion destination, int destinationOffset, IRemoteMemory source,
            long sourceOffset, int length) =>
            Note("read", token, source, sourceOffset)
            && inner.TryPostRead(
                token, destination, destinationOffset, source, sourceOffset, length);

        public int Poll(Span<Completion> completions)
        {
            if (owner.HoldAt >= 0 && owner.Wire.Count > owner.HoldAt)
            {
                return 0;
            }

            int count = inner.Poll(completions);
            foreach (ref Completion completion in completions[..count])
            {
                if (failing.Contains(completion.Token))
                {
                    completion = completion with { Status = CompletionStatus.RemoteAccessError };
                }
            }

            return count;
        }

        public void Dispose() => inner.Dispose();

        private bool Note(string kind, ulong token, IRemoteMemory memory, long offset)
        {
            if (owner.Wire.Count == owner.FailAt)
            {
                failing.Add(token);
            }

            owner.Wire.Enqueue(new(kind, memory.Region.Address, offset));
            return true;
        }
    }
}
