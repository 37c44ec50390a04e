using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>
/// Plays the network between this machine's clients and the service addresses of two guests:
/// connections go to whoever holds the address, and end when another begins to hold it, as that
/// one's machine would answer for connections that it does not know.
/// </summary>
/// <remarks>
/// QEMU's own forwarding finds the holder but leaves a connection open to one that is gone, until
/// the client sends something; one that waits for an answer would wait for ever.
/// </remarks>
internal sealed class GuestForwarder : IDisposable
{
    private const int FrameBytesMax = 64 * 1024;
    private const int CopyBytes = 256 * 1024;
    private readonly Dictionary<IPAddress, PhysicalAddress> holders = [];
    private readonly ConcurrentDictionary<Relay, IPAddress> relays = [];
    private readonly List<TcpListener> listeners = [];
    private readonly List<Task> loops = [];
    private readonly CancellationTokenSource ending = new();
    private readonly Socket frames;
    private readonly Action<string> say;

    /// <summary>Watches the frames that are sent to a Unix datagram socket.</summary>
    /// <param name="framesPath">Path of the socket, made here.</param>
    /// <param name="say">Is told what happens, for people.</param>
    internal GuestForwarder(string framesPath, Action<string> say)
    {
        this.say = say;
        File.Delete(framesPath);
        frames = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        frames.Bind(new UnixDomainSocketEndPoint(framesPath));
        loops.Add(WatchAsync());
    }

    /// <summary>Completes, with its failure, when some part of it no longer works.</summary>
    internal async Task FailedAsync() => await await Task.WhenAny(loops);

    /// <summary>
    /// Forwards connections to a port of this machine to another, which leads to a guests' address.
    /// </summary>
    /// <exception cref="RefusedException">The port is taken.</exception>
    internal void Forward(int from, int to, IPAddress address)
    {
        TcpListener listener = new(IPAddress.Loopback, from);
        listeners.Add(listener);
        try
        {
            listener.Start();
        }
        catch (SocketException taken)
        {
            throw new RefusedException(
                new Refusal(
                    $"port {from} of {IPAddress.Loopback}", $"to be free, for {address}",
                    taken.Message, "choose others with --nbd-port"),
                taken);
        }

        loops.Add(AcceptAsync(listener, to, address));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ending.Cancel();
        listeners.ForEach(static listener => listener.Dispose());
        frames.Dispose();
        foreach (Relay relay in relays.Keys)
        {
            relay.Reset();
        }

        ending.Dispose();
    }

    private async Task WatchAsync()
    {
        byte[] frame = new byte[FrameBytesMax];
        while (!ending.IsCancellationRequested)
        {
            int length = await frames.ReceiveAsync(frame, ending.Token);
            if (Arp.Read(frame.AsSpan(0, length)) is { } arp)
            {
                HeldBy(arp);
            }
        }
    }

    private void HeldBy(Arp arp)
    {
        bool known = holders.TryGetValue(arp.Address, out PhysicalAddress? before);
        holders[arp.Address] = arp.Holder;
        if (!known || arp.Holder.Equals(before))
        {
            return;
        }

        Relay[] old =
        [
            .. relays.Where(one => one.Value.Equals(arp.Address)).Select(static one => one.Key),
        ];
        foreach (Relay relay in old)
        {
            relay.Reset();
        }

        say($"{arp.Address} moved from {before} to {arp.Holder}; "
            + $"ended {old.Length} connections");
    }

    private async Task AcceptAsync(TcpListener listener, int to, IPAddress address)
    {
        while (!ending.IsCancellationRequested)
        {
            Socket client = await listener.AcceptSocketAsync(ending.Token);
            _ = RelayAsync(client, to, address);
        }
    }

    private async Task RelayAsync(Socket client, int to, IPAddress address)
    {
        using Relay relay = new(client);
        relays[relay] = address;
        try
        {
            await relay.RunAsync(to, ending.Token);
        }
        catch (Exception failure) when (
            failure is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            relay.Reset(); // One end is gone; the other is to know.
        }
        finally
        {
            _ = relays.TryRemove(relay, out _);
        }
    }

    /// <summary>One client's connection and the one that it is passed on by.</summary>
    private sealed class Relay(Socket client) : IDisposable
    {
        private readonly Socket guest =
            new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public void Dispose()
        {
            client.Dispose();
            guest.Dispose();
        }

        /// <summary>Copies both ways until both ends have said that they are done.</summary>
        internal async Task RunAsync(int to, CancellationToken cancellation)
        {
            client.NoDelay = guest.NoDelay = true;
            await guest.ConnectAsync(IPAddress.Loopback, to, cancellation);
            Task there = CopyAsync(client, guest, cancellation);
            Task back = CopyAsync(guest, client, cancellation);
            await await Task.WhenAny(there, back);
            await Task.WhenAll(there, back);
        }

        /// <summary>Ends it at once; the client's next call fails. Any thread.</summary>
        internal void Reset()
        {
            client.Close(0);
            guest.Close(0);
        }

        private static async Task CopyAsync(
            Socket from, Socket to, CancellationToken cancellation)
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(CopyBytes);
            int length;
            while ((length = await from.ReceiveAsync(buffer, cancellation)) > 0)
            {
                for (int sent = 0; sent < length;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, length - sent), cancellation);
                }
            }

            ArrayPool<byte>.Shared.Return(buffer);
            to.Shutdown(SocketShutdown.Send);
        }
    }
}
