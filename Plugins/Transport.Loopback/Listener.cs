using System.Net.Sockets;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// Waits on the node's socket for its partner. Whoever else connects, or says nothing or garbage,
/// is dropped; a crowd of them costs a few threads at most and never the partner's chance.
/// </summary>
internal sealed class Listener : IDisposable
{
    private readonly Socket socket = new(AddressFamily.Unix, SocketType.Stream, 0);
    private readonly string path;
    private readonly FabricId partner;
    private readonly uint partnerInterface;
    private readonly Action changed;
    private readonly Func<Socket, Socket> accept;
    private readonly Lock gate = new();
    private readonly ManualResetEventSlim ending = new();
    private readonly LinkedList<Link> pending = [];
    private readonly Thread thread;
    private bool failing; // Accept thread: told already that nobody can be accepted.
    private bool disposed;

    /// <summary>Listens from now on.</summary>
    public Listener(
        Fabric fabric, uint localInterface, FabricId partner, uint partnerInterface, Action changed)
        : this(
            fabric, localInterface, partner, partnerInterface, changed,
            static socket => socket.Accept())
    {
    }

    /// <summary>As above, accepting as the caller says.</summary>
    internal Listener(
        Fabric fabric, uint localInterface, FabricId partner, uint partnerInterface, Action changed,
        Func<Socket, Socket> accept)
    {
        this.accept = accept;
        path = fabric.SocketPath(fabric.Id, localInterface);
        this.partner = partner;
        this.partnerInterface = partnerInterface;
        this.changed = changed;
        try
        {
            File.Delete(path);
            socket.Bind(new UnixDomainSocketEndPoint(
                fabric.ShortSocketPath(fabric.Id, localInterface)));
            socket.Listen(Limits.PendingConnectionsMax);
        }
        catch (Exception failure) when (failure is SocketException or IOException)
        {
            socket.Dispose();
            throw Native.Refused($"VI {localInterface} of {fabric.Id}", "a socket", failure);
        }

        thread = new Thread(Accept) { IsBackground = true, Name = "loopback listener" };
        thread.Start();
    }

    /// <summary>Why the last connection was refused; null when none was.</summary>
    public Refusal? LastRefusal { get; private set; }

    /// <summary>A connection whose greeting came and is good; the caller's from then on.</summary>
    public Link? TakeGreeted()
    {
        lock (gate)
        {
            for (LinkedListNode<Link>? node = pending.First; node is not null;)
            {
                LinkedListNode<Link>? next = node.Next;
                Link link = node.Value;
                if (link.Gone)
                {
                    LastRefusal = link.Refusal ?? LastRefusal;
                    pending.Remove(node);
                }
                else if (link.Greeting is not null)
                {
                    pending.Remove(node);
                    return link;
                }

                node = next;
            }

            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
            {
                return;
            }

            disposed = true;
            foreach (Link link in pending)
            {
                link.Close();
            }

            pending.Clear();
        }

        ending.Set();
        socket.Dispose();
        thread.Join();
        ending.Dispose();
        File.Delete(path);
    }

    private void Accept()
    {
        while (true)
        {
            Socket accepted;
            try
            {
                accepted = accept(socket);
            }
            catch (SocketException gone) when (
                gone.SocketErrorCode == SocketError.ConnectionAborted)
            {
                continue; // Whoever asked has gone again; the next one waits for nothing.
            }
            catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
            {
                if (!GoesOnAfter(failure))
                {
                    return;
                }

                continue;
            }

            failing = false;
            Keep(accepted);
            changed();
        }
    }

    /// <summary>
    /// Says once why nobody can connect, and waits a little: whoever asks to connect stays in the
    /// queue when this process has too many files open, and would be asked for again at once.
    /// </summary>
    /// <returns>False when this listener has ended.</returns>
    private bool GoesOnAfter(Exception failure)
    {
        lock (gate)
        {
            if (disposed)
            {
                return false;
            }

            LastRefusal = new Refusal(
                "a connection to this node", "to be accepted", failure.Message,
                "raise the limit of open files (ulimit -n)");
        }

        if (!failing)
        {
            failing = true;
            changed();
        }

        return !ending.Wait(Limits.AcceptRetry);
    }

    private void Keep(Socket accepted)
    {
        lock (gate)
        {
            if (disposed)
            {
                accepted.Dispose();
                return;
            }

            if (pending.Count == Limits.PendingConnectionsMax)
            {
                pending.First!.Value.Close();
                pending.RemoveFirst();
            }

            pending.AddLast(new Link(accepted, partner, partnerInterface, changed));
        }
    }
}
