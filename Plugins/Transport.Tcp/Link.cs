using System.Collections.Concurrent;
using System.Net;
using Microsoft.Win32.SafeHandles;

namespace StorageOs.Transport.Tcp;

/// <summary>
/// The connection that joins two nodes: says hello both ways and then stands. Its end without a
/// word is the end of the partner's process, as far as anything here can tell. Any thread.
/// </summary>
internal sealed class Link : Served, IDisposable
{
    private const byte Bye = 3;
    private readonly TcpTransport transport;
    private readonly Wire wire;
    private readonly ConcurrentDictionary<PortEnd, bool> ends = new();
    private readonly byte[] word = new byte[1];
    private bool gone;
    private bool closed;
    private bool left;

    /// <summary>Joins the nodes by a connection on which both have said hello.</summary>
    public Link(
        TcpTransport transport, Wire wire, IPAddress partner, ushort port, bool dials)
    {
        this.transport = transport;
        this.wire = wire;
        Partner = partner;
        Port = port;
        Dials = dials;
    }

    /// <summary>The partner's address.</summary>
    public IPAddress Partner { get; }

    /// <summary>The port it listens on; only where this node dials.</summary>
    public ushort Port { get; }

    /// <summary>Whether this node makes the connections of ports.</summary>
    public bool Dials { get; }

    /// <summary>Whether the partner's process is gone.</summary>
    public bool Gone => Volatile.Read(ref gone);

    /// <inheritdoc/>
    public override SafeFileHandle Descriptor => wire.Socket;

    /// <inheritdoc/>
    public override bool WantsToSend => wire.HasUnsent;

    /// <summary>A port whose fate hangs on it.</summary>
    public void Add(PortEnd end) => ends[end] = true;

    /// <summary>A port that is closed.</summary>
    public void Remove(PortEnd end) => ends.TryRemove(end, out _);

    /// <inheritdoc/>
    public override bool Run()
    {
        if (Volatile.Read(ref left))
        {
            _ = wire.Send([Bye], []);
            _ = wire.Flush();
            return false;
        }

        int count = wire.Receive(word);
        if (count == 0)
        {
            return wire.Flush();
        }

        closed = count == 1 && word[0] == Bye;
        return false;
    }

    /// <inheritdoc/>
    public override void End()
    {
        wire.Dispose();
        if (Volatile.Read(ref left))
        {
            return;
        }

        if (closed)
        {
            // A partner that leaves closes its ports, too. One whose connections never came has no
            // other way to hear of it.
            foreach (PortEnd end in ends.Keys.Where(end => end.Requests is null))
            {
                end.PartnerSaidBye();
            }
        }
        else
        {
            Volatile.Write(ref gone, true);
            foreach (PortEnd end in ends.Keys)
            {
                end.LinkEnded();
            }

            transport.Changed();
        }
    }

    /// <summary>Ends it as the sudden end of this process would.</summary>
    public void Break() => wire.Shutdown();

    /// <summary>Leaves, and says so.</summary>
    public void Dispose()
    {
        if (!Volatile.Read(ref left))
        {
            Volatile.Write(ref left, true);
            transport.Control.Post(this);
        }
    }
}
