using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Tcp.Interop;

namespace StorageOs.Transport.Tcp;

/// <summary>
/// One end of a port from its preparation on: its secret, the two connections as they come, and
/// what is known of the other end. Any thread.
/// </summary>
internal sealed class PortEnd
{
    private readonly TcpTransport transport;
    private readonly Lock closing = new();
    private Wire? requests;
    private RequestServer? server;
    private Link? link;
    private int partnerSays; // PartnerHere, PartnerClosed or PartnerSilent.
    private int kicked;
    private bool disposed;

    private const int PartnerHere = 0;
    private const int PartnerSilent = 1;
    private const int PartnerClosed = 2;

    /// <summary>Makes an end that the partner can find by its secret.</summary>
    public PortEnd(TcpTransport transport, UInt128 secret, PortClass portClass, bool wellKnown)
    {
        this.transport = transport;
        Secret = secret;
        Class = portClass;
        IsWellKnown = wellKnown;
        Kick = Native.Handle(
            Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK), nameof(Libc.eventfd));
    }

    /// <summary>Random; who presents it reaches this end.</summary>
    public UInt128 Secret { get; }

    /// <summary>What it carries.</summary>
    public PortClass Class { get; }

    /// <summary>Whether it is the well-known one, whose end is the partner's.</summary>
    public bool IsWellKnown { get; }

    /// <summary>Readable when its owner should poll though no answer has come.</summary>
    public SafeFileHandle Kick { get; }

    /// <summary>Whether it is closed here.</summary>
    public bool IsDisposed => Volatile.Read(ref disposed);

    /// <summary>The connection for this end's requests; null until it is there.</summary>
    public Wire? Requests => Volatile.Read(ref requests);

    /// <summary>What is known of the partner's end.</summary>
    public PortState State
    {
        get
        {
            Link? now = Volatile.Read(ref link);
            return Volatile.Read(ref partnerSays) switch
            {
                PartnerClosed => PortState.ClosedByPartner,
                PartnerSilent => IsWellKnown || now is { Gone: true }
                    ? PortState.PartnerGone : PortState.ClosedByPartner,
                _ => now is { Gone: true } ? PortState.PartnerGone : PortState.Open,
            };
        }
    }

    /// <summary>Ties it to the connection of the nodes.</summary>
    public void Join(Link to)
    {
        Volatile.Write(ref link, to);
        to.Add(this);
    }

    /// <summary>Takes the connection for this end's requests; false when it has one.</summary>
    public bool TryTakeRequests(Wire wire)
    {
        lock (closing)
        {
            if (disposed || requests is not null)
            {
                return false;
            }

            Volatile.Write(ref requests, wire);
            Wake();
            return true;
        }
    }

    /// <summary>Takes the connection for the partner's requests; false when it has one.</summary>
    public bool TryTakeServed(Wire wire, ReadOnlySpan<byte> first)
    {
        lock (closing)
        {
            if (disposed || server is not null)
            {
                return false;
            }

            ServiceThread thread = transport.ThreadOf(Class);
            server = new RequestServer(this, wire, transport.Grants, thread, first);
            thread.Post(server);
            return true;
        }
    }

    /// <summary>The partner has closed its end and said so.</summary>
    public void PartnerSaidBye() => Mark(PartnerClosed);

    /// <summary>A connection of this port has ended.</summary>
    public void PartnerEnded() => Mark(PartnerSilent);

    /// <summary>The nodes' connection has ended.</summary>
    public void LinkEnded() => WakeAll();

    /// <summary>Whether it was woken since; forgets it.</summary>
    public bool TakeKick()
    {
        if (Volatile.Read(ref kicked) == 0)
        {
            return false;
        }

        ulong count = 0;
        if (Libc.read(Kick, ref count, sizeof(ulong)) < 0)
        {
            return true; // Whoever wakes has yet to write: what is not read then stays readable.
        }

        Volatile.Write(ref kicked, 0);
        Interlocked.MemoryBarrier();
        return true;
    }

    /// <summary>Closes this end: nothing more is carried out for the partner.</summary>
    public void Dispose()
    {
        lock (closing)
        {
            if (disposed)
            {
                return;
            }

            Volatile.Write(ref disposed, true);
            requests?.Dispose();
            Kick.Dispose();
            if (server is not null)
            {
                transport.ThreadOf(Class).Post(server);
            }
        }

        link?.Remove(this);
        transport.Forget(this);
    }

    private void Mark(int what)
    {
        if (!IsDisposed
            && Interlocked.CompareExchange(ref partnerSays, what, PartnerHere) == PartnerHere)
        {
            WakeAll();
            transport.Changed();
        }
    }

    private void WakeAll()
    {
        lock (closing)
        {
            if (!disposed)
            {
                requests?.Shutdown();
                Wake();
            }
        }
    }

    /// <summary>Has its owner poll. Not after it is closed.</summary>
    public void Wake()
    {
        if (Interlocked.Exchange(ref kicked, 1) == 0)
        {
            ulong one = 1;
            _ = Libc.write(Kick, in one, sizeof(ulong));
        }
    }
}
