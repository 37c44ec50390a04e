using System.Diagnostics;
using System.Net;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Tcp;

/// <summary>Accepts connections; each has to say hello in time. Control thread.</summary>
internal sealed class Listener(TcpTransport transport, SafeFileHandle socket, ushort port) : Served
{
    private readonly Queue<PendingHello> pending = new();
    private bool closed;

    /// <summary>The port it listens on.</summary>
    public ushort Port => port;

    /// <inheritdoc/>
    public override SafeFileHandle Descriptor => socket;

    /// <inheritdoc/>
    public override bool Run()
    {
        if (Volatile.Read(ref closed))
        {
            return false;
        }

        // A few at a time, for more turns come while there are more.
        for (int i = 0; i < Limits.AcceptsPerTurnMax; i++)
        {
            if (Sockets.Accept(socket, out IPAddress from) is not { } accepted)
            {
                break;
            }

            PendingHello hello = new(transport, transport.Answer(accepted), from);
            pending.Enqueue(hello);
            while (pending.Count > Limits.PendingHellosMax)
            {
                pending.Dequeue().GiveUp();
            }

            transport.Control.Post(hello);
        }

        while (pending.TryPeek(out PendingHello? first) && first.Over)
        {
            _ = pending.Dequeue();
        }

        return true;
    }

    /// <inheritdoc/>
    public override void End() => socket.Dispose();

    /// <summary>Ends it. Any thread.</summary>
    public void Close()
    {
        Volatile.Write(ref closed, true);
        transport.Control.Post(this);
    }
}

/// <summary>A connection that has not said yet what it is for. Control thread.</summary>
internal sealed class PendingHello : Served
{
    private readonly TcpTransport transport;
    private readonly Wire wire;
    private readonly IPAddress from;
    private readonly byte[] bytes = new byte[Hello.Bytes];
    private int length;

    /// <summary>Waits for its hello, but not for ever.</summary>
    public PendingHello(TcpTransport transport, Wire wire, IPAddress from)
    {
        this.transport = transport;
        this.wire = wire;
        this.from = from;
        Deadline = Stopwatch.GetTimestamp()
            + (long)(Limits.HelloTimeout.TotalSeconds * Stopwatch.Frequency);
    }

    /// <summary>Whether nothing more will come of it.</summary>
    public bool Over { get; private set; }

    /// <inheritdoc/>
    public override SafeFileHandle Descriptor => wire.Socket;

    /// <inheritdoc/>
    public override bool WantsToSend => wire.HasUnsent;

    /// <inheritdoc/>
    public override bool Run()
    {
        if (Over || !wire.Flush())
        {
            return false;
        }

        int count = wire.Receive(bytes.AsSpan(length));
        if (count < 0)
        {
            return false;
        }

        length += count;
        return length < Hello.Bytes;
    }

    /// <summary>Makes room for others.</summary>
    public void GiveUp()
    {
        if (!Over)
        {
            Over = true;
            wire.Shutdown();
        }
    }

    /// <summary>Hands the connection on, now that this thread has let go of it.</summary>
    public override void End()
    {
        bool complete = !Over && length == Hello.Bytes;
        Over = true;
        if (!complete)
        {
            if (wire.Failure is { } why)
            {
                transport.Refuse($"{from}: {why}");
            }

            wire.Dispose();
        }
        else if (Hello.Decode(bytes, out Refusal? refusal) is not { } hello)
        {
            transport.Refuse($"{from}: {refusal}");
            wire.Dispose();
        }
        else if (!transport.TryGreet(hello, wire, from))
        {
            wire.Dispose();
        }
    }
}
