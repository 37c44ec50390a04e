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
    private readonly Lock gate = new();
    private readonly LinkedList<Link> pending = [];
    private readonly Thread thread;
    private bool disposed;

    /// <summary>Listens from now on.</summary>
    public Listener(
        Fabric fabric, uint localInterface, FabricId partner, uint partnerInterface, Action changed)
    {
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
            disposed = true;
            foreach (Link link in pending)
            {
                link.Close();
            }

            pending.Clear();
        }

        socket.Dispose();
        thread.Join();
        File.Delete(path);
    }

    private void Accept()
    {
        while (true)
        {
            Socket accepted;
            try
            {
                accepted = socket.Accept();
            }
            catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
            {
                lock (gate)
                {
                    if (disposed)
                    {
                        return;
                    }
                }

                continue; // Whoever connected has left again.
            }

            Keep(accepted);
            changed();
        }
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
