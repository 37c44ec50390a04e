using System.Net.Sockets;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// The socket that joins two nodes: carries one greeting each way, then single bytes that mean
/// "look again", and by its end tells that the partner's process has ended; a partner that is
/// merely stopped keeps it open. One thread of its own sits in receive, so that the end is
/// noticed at once however busy the thread pool is, and another sleeps on the partner's life word,
/// which tells of a kill long before the socket does. Shared by the well-known port and every port
/// connected meanwhile; closed with the last of them.
/// </summary>
internal sealed class Link
{
    private readonly Socket socket;
    private readonly FabricId partner;
    private readonly uint partnerInterface;
    private readonly Action changed;
    private readonly Lock sending = new();
    private volatile bool gone;
    private volatile Refusal? refusal;
    private volatile object? greeting;
    private volatile MappedBoard? board;
    private int holders = 1;

    /// <summary>Takes the socket over and starts to listen to it.</summary>
    public Link(Socket socket, FabricId partner, uint partnerInterface, Action changed)
    {
        this.socket = socket;
        this.partner = partner;
        this.partnerInterface = partnerInterface;
        this.changed = changed;
        new Thread(Receive) { IsBackground = true, Name = $"loopback {partner}" }.Start();
    }

    /// <summary>Whether the socket has ended. Any thread.</summary>
    public bool Gone => gone;

    /// <summary>Why what came was refused; null when nothing was.</summary>
    public Refusal? Refusal => refusal;

    /// <summary>The partner's greeting once it came and was good.</summary>
    public Greeting? Greeting => (Greeting?)greeting;

    /// <summary>The node at the other end.</summary>
    public FabricId Partner => partner;

    /// <summary>Sends without ever waiting; false when that is impossible.</summary>
    public bool TrySend(ReadOnlySpan<byte> bytes)
    {
        lock (sending)
        {
            try
            {
                return !gone
                    && socket.Poll(0, SelectMode.SelectWrite)
                    && socket.Send(bytes, SocketFlags.None) == bytes.Length;
            }
            catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
            {
                return false; // The receiving thread sees the same and tells.
            }
        }
    }

    /// <summary>From here on the death of the board's process ends this link, too.</summary>
    public void EndsWith(MappedBoard partnerBoard)
    {
        board = partnerBoard;
        new Thread(() => AwaitDeath(partnerBoard))
        {
            IsBackground = true,
            Name = $"life of {partner}",
        }.Start();
    }

    /// <summary>One more user.</summary>
    public void Retain() => Interlocked.Increment(ref holders);

    /// <summary>
    /// One user less. The partner is woken to look at what was closed; the last one closes the
    /// socket.
    /// </summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref holders) > 0)
        {
            TrySend([0]);
        }
        else
        {
            Close();
        }
    }

    /// <summary>Closes the socket at once, whoever holds it.</summary>
    public void Close()
    {
        gone = true;
        EndWatch();
        try
        {
            socket.Shutdown(SocketShutdown.Both); // Wakes the receiving thread.
        }
        catch (SocketException ended) when (ended.SocketErrorCode is SocketError.NotConnected)
        {
            // The other end was first.
        }
        catch (ObjectDisposedException)
        {
            // The receiving thread was first.
        }

        socket.Dispose();
    }

    private void AwaitDeath(MappedBoard partnerBoard)
    {
        while (!gone)
        {
            if (MappedLife.AwaitDeath(partnerBoard, Limits.LifeLookPeriod) && !gone)
            {
                gone = true;
                changed(); // First: closing a socket may take its time.
                Close();
            }
        }
    }

    private void EndWatch()
    {
        if (board is { } watched)
        {
            MappedLife.Wake(watched);
        }
    }

    private void Receive()
    {
        try
        {
            byte[] bytes = new byte[Loopback.Greeting.Bytes];
            int have = 0;
            while (have < bytes.Length)
            {
                int got = socket.Receive(bytes.AsSpan(have));
                if (got == 0)
                {
                    return;
                }

                have += got;
            }

            greeting = Loopback.Greeting.Decode(bytes, partner, partnerInterface, out Refusal? why);
            refusal = why;
            while (refusal is null)
            {
                changed();
                if (socket.Receive(bytes.AsSpan()) == 0)
                {
                    return;
                }
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            // Told by what follows: an end is an end, however it came.
        }
        finally
        {
            Close();
            changed();
        }
    }
}
