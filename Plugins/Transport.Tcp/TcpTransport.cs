using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tcp;

/// <summary>
/// One-sided reads and writes over TCP. The partner's side is carried out by threads of its
/// process, so unlike with RDMA nothing completes while that process is stopped.
/// </summary>
internal sealed class TcpTransport : ITransport
{
    private const int AddressSpacing = 32; // Bits; a region is shorter than 4 GiB.
    private readonly ServiceThread[] threads;
    private readonly ConcurrentDictionary<UInt128, PortEnd> ends = new();
    private readonly ConcurrentDictionary<TcpPort, bool> ports = new();
    private readonly ConcurrentDictionary<TcpRegion, bool> regions = new();
    private readonly Action changed;
    private readonly TlsIdentity? identity; // Null without TLS.
    private Listener? listener;
    private TcpWellKnownPort? wellKnown;
    private long regionNumber;
    private bool disposed;

    /// <summary>Starts its threads.</summary>
    public TcpTransport(IPAddress address, TlsIdentity? identity, Action changed)
    {
        Address = address;
        this.identity = identity;
        this.changed = changed;
        threads =
        [
            .. Enum.GetValues<PortClass>().Select(
                c => new ServiceThread($"tcp {c.ToString().ToLowerInvariant()}")),
        ];
        Grants = new GrantTable([.. threads.Select(t => t.Usage)]);
    }

    /// <inheritdoc/>
    public TransportTraits Traits { get; } =
        new("tcp", OneSided: false, SurvivesPowerLoss: false);

    /// <summary>This node's address.</summary>
    public IPAddress Address { get; }

    /// <summary>What is offered.</summary>
    public GrantTable Grants { get; }

    /// <summary>The thread of everything small, the nodes' connection included.</summary>
    public ServiceThread Control => ThreadOf(PortClass.Control);

    /// <summary>What joins this node to its partner now; null when nothing does.</summary>
    public Link? CurrentLink => wellKnown is { IsDisposed: false } now ? now.Link : null;

    /// <summary>The thread by which the partner's requests of such ports are carried out.</summary>
    public ServiceThread ThreadOf(PortClass portClass) => threads[(int)portClass];

    /// <summary>To be called when a poll or a port's state would tell something new.</summary>
    public void Changed() => changed();

    /// <inheritdoc/>
    public IRegion Map(RegionNeed need)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (need.Bytes is <= 0 or > int.MaxValue - Size.Page)
        {
            throw new RefusedException(new Refusal(
                $"region {need.Name}", "1 byte to 2 GiB less a page", $"{need.Bytes} bytes"));
        }

        RegionNeed whole = need.BackingPath is null
            ? need
            : need with { BackingPath = Path.GetFullPath(need.BackingPath) };
        int length = (need.Bytes + Size.Page - 1) / Size.Page * Size.Page;
        ulong address = (ulong)Interlocked.Increment(ref regionNumber) << AddressSpacing;
        TcpRegion region = new(this, whole, length, address);
        regions[region] = true;
        return region;
    }

    /// <inheritdoc/>
    public IWellKnownPort OpenWellKnown(WellKnownNeed need)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Invariant.Require(wellKnown is null or { IsDisposed: true });
        IPAddress partner = NodeAddress.Parse("the partner's address", need.PartnerAddress);
        if (partner.Equals(Address) || partner.AddressFamily != Address.AddressFamily)
        {
            throw new RefusedException(new Refusal(
                "the partner's address",
                $"another address of the family of {Address}, this node's own",
                $"{partner}",
                "give each node its own address, both IPv4 or both IPv6"));
        }

        if (!need.Connects)
        {
            Listen(NodeAddress.Port("this node's port number", need.LocalPort));
        }

        TcpWellKnownPort made = new(this, need, partner);
        Volatile.Write(ref wellKnown, made);
        return made;
    }

    /// <inheritdoc/>
    public IPreparedPort Prepare(PortNeed need)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return need.PostsInFlightMax is >= 1 and <= PortNeed.PostsInFlightLimit
            ? new TcpPreparedPort(this, NewEnd(need.Class, false), need.PostsInFlightMax)
            : throw new RefusedException(new Refusal(
                $"port {need.Name}",
                $"1 to {PortNeed.PostsInFlightLimit} posts in flight",
                $"{need.PostsInFlightMax}"));
    }

    /// <summary>The well-known port's end.</summary>
    public TcpPreparedPort PrepareWellKnown() =>
        new(this, NewEnd(PortClass.Control, true), Limits.WellKnownPostsMax);

    /// <inheritdoc/>
    public IRemoteMemory Import(RemoteRegion offer) => new TcpRemoteMemory(offer);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        foreach (TcpPort port in ports.Keys)
        {
            port.Dispose();
        }

        wellKnown?.Dispose();
        listener?.Close();
        foreach (PortEnd end in ends.Values)
        {
            end.Dispose(); // Before the threads, which it tells of its end.
        }

        foreach (ServiceThread thread in threads)
        {
            thread.Dispose();
        }

        foreach (TcpRegion region in regions.Keys)
        {
            region.Dispose();
        }

        identity?.Dispose();
    }

    /// <summary>Begins a connection to the partner.</summary>
    public Wire Dial(IPAddress partner, ushort port) =>
        Over(Sockets.Dial(Address, partner, port), answers: false);

    /// <summary>A connection that somebody made to this node.</summary>
    public Wire Answer(SafeFileHandle accepted) => Over(accepted, answers: true);

    /// <summary>Brings a connection to where its hello says. Control thread.</summary>
    /// <returns>False when it has no place here; the caller closes it.</returns>
    public bool TryGreet(in Hello hello, Wire wire, IPAddress from)
    {
        if (hello.Kind == HelloKind.Link)
        {
            return Volatile.Read(ref wellKnown) is { IsDisposed: false } open
                && open.TryGreet(hello, wire, from);
        }

        return ends.TryGetValue(hello.Secret, out PortEnd? end)
            && (hello.Kind == HelloKind.Requests
                ? end.TryTakeServed(wire, [])
                : end.TryTakeRequests(wire));
    }

    /// <summary>Somebody was refused; for people.</summary>
    public void Refuse(string why) => Volatile.Read(ref wellKnown)?.Refuse(why);

    /// <summary>
    /// The region as this transport's own; anything else is a mistake of the caller's.
    /// </summary>
    public TcpRegion Own(IRegion region)
    {
        TcpRegion? own = region as TcpRegion;
        Invariant.Require(own is not null && own.Transport == this);
        return own;
    }

    /// <summary>What a memory of this transport names.</summary>
    public static RemoteRegion Remote(IRemoteMemory memory)
    {
        TcpRemoteMemory? own = memory as TcpRemoteMemory;
        Invariant.Require(own is not null);
        return own.Region;
    }

    /// <summary>A port to be closed with the transport.</summary>
    public void Adopt(TcpPort port) => ports[port] = true;

    /// <summary>A port that has closed.</summary>
    public void Forget(TcpPort port) => ports.TryRemove(port, out _);

    /// <summary>An end that has closed.</summary>
    public void Forget(PortEnd end) => ends.TryRemove(end.Secret, out _);

    /// <summary>A region that is no more.</summary>
    public void Forget(TcpRegion region) => regions.TryRemove(region, out _);

    private Wire Over(SafeFileHandle socket, bool answers) => identity is null
        ? new PlainWire(socket)
        : new TlsWire(socket, identity, answers);

    private PortEnd NewEnd(PortClass portClass, bool wellKnownOne)
    {
        Span<byte> random = stackalloc byte[16];
        RandomNumberGenerator.Fill(random);
        PortEnd end = new(
            this, BinaryPrimitives.ReadUInt128LittleEndian(random), portClass, wellKnownOne);
        ends[end.Secret] = end;
        return end;
    }

    /// <summary>
    /// Listens from the first attempt on: the partner's ports come this way, too.
    /// </summary>
    private void Listen(ushort port)
    {
        if (listener?.Port != port)
        {
            listener?.Close();
            listener = new Listener(this, Sockets.Listen(Address, port), port);
            Control.Post(listener);
        }
    }
}
