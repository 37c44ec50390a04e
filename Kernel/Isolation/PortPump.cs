using System.Net.Sockets;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Kernel.Isolation;

/// <summary>
/// Serves every port of one isolated plugin on its reactor in the node: whenever that turns, and
/// when the process rings.
/// </summary>
internal sealed class PortPump(IReactor reactor, IsolatedProcess process, string folder)
{
    private readonly List<Served> served = [];
    private readonly byte[] rings = new byte[64];
    private bool isWatching;
    private uint lastNumber;

    /// <summary>Opens a port to the process.</summary>
    internal SharedPort Open(IsolatedClient client, string name, IPort port)
    {
        Watch();
        string path = Path.Combine(folder, $"{++lastNumber}.ring");
        PortServer server = new(
            port, PostRing.Create(path, port.PostsInFlightMax), client, process.Wake);
        Served fresh = new(client, name, path, server);
        if (port is ICompletionChannel channel)
        {
            fresh.Watch = reactor.Watch(
                channel.Descriptor, DescriptorInterest.Readable, _ => Rest(fresh));
        }

        served.Add(fresh);
        return new SharedPort(
            lastNumber, name, path, port.PostsInFlightMax, port is IPersistentFlush);
    }

    /// <summary>The newest port of that name; null when there is none.</summary>
    internal PortServer? Find(IsolatedClient client, string name) => served
        .FindLast(one => one.Client == client && one.Name == name)?.Server;

    /// <summary>The session has ended for a client, and it has heard of that.</summary>
    internal void CloseAll(IsolatedClient client)
    {
        foreach (Served one in served)
        {
            if (one.Client == client)
            {
                one.Server.Close();
            }
        }
    }

    /// <summary>Serves all; whether there was anything to do.</summary>
    internal bool Turn()
    {
        bool busy = false;
        for (int i = served.Count - 1; i >= 0; i--)
        {
            Served one = served[i];
            busy |= one.Server.Turn();
            if (one.Server.IsDone)
            {
                served.RemoveAt(i);
                one.Dispose();
            }
        }

        return busy;
    }

    private void Watch()
    {
        if (!isWatching)
        {
            isWatching = true;
            _ = reactor.Poll(TurnOrSleep);
            _ = reactor.Watch(process.Bell.SafeHandle, DescriptorInterest.Readable, Hear);
        }
    }

    private bool TurnOrSleep()
    {
        bool busy = Turn();
        for (int i = 0; !busy && i < served.Count; i++)
        {
            busy = served[i].Server.Sleep();
        }

        return busy;
    }

    private static void Rest(Served one)
    {
        if (!one.Server.Turn() && one.Server.Port is ICompletionChannel channel)
        {
            channel.Arm(); // Takes the ring that has woken us.
        }
    }

    private void Hear(DescriptorInterest ready)
    {
        try
        {
            int count = process.Bell.Receive(rings, SocketFlags.None, out SocketError error);
            if (count > 0 || error == SocketError.WouldBlock)
            {
                return;
            }
        }
        catch (ObjectDisposedException)
        {
            // As below: whoever reads its line has seen that first.
        }

        throw process.Gone();
    }

    private sealed record Served(
        IsolatedClient Client, string Name, string Path, PortServer Server) : IDisposable
    {
        internal IDisposable? Watch { get; set; }

        public void Dispose()
        {
            Watch?.Dispose();
            Server.Dispose();
            File.Delete(Path);
        }
    }
}
