// The partner's link to us, and what it has handed over: the listening socket, and duplicates of
// the connections it has accepted. The duplicates do nothing until this node takes the service
// address over; then they are shut down, so that a client that hangs in a stopped owner sees its
// connection end at once. A duplicate keeps a connection open: the partner therefore shuts a
// connection down itself before it closes it, and says so.

using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.NbdExport.Connections;
using StorageOs.NbdExport.Interop;

namespace StorageOs.NbdExport.Addresses;

/// <summary>What a link brings, for the service address.</summary>
internal interface ILinkEvents
{
    /// <summary>The partner has just linked to us: it is there to be linked to.</summary>
    void PartnerAppeared();

    /// <summary>The partner hands over the listening socket; ours to keep or to dispose.</summary>
    void ListenerArrived(Descriptor listener);

    /// <summary>The partner holds the service address from now on.</summary>
    void PartnerTook();
}

/// <summary>The partner's messages to us. Reactor only.</summary>
internal sealed class LinkReceiver(
    AddressSettings settings, string node, ulong partnerId, IReactor reactor, ILogger logger,
    ILinkEvents events) : IDisposable
{
    private readonly Dictionary<ulong, Descriptor> duplicates = [];
    private readonly string path = settings.SocketPath(node);
    private Descriptor? listener;
    private IDescriptorWatch? listenerWatch;
    private LinkSocket? link;
    private IDescriptorWatch? linkWatch;

    /// <summary>Connections of the partner's that we hold duplicates of.</summary>
    public int Duplicates => duplicates.Count;

    /// <summary>Begins to listen for the partner's links.</summary>
    /// <exception cref="RefusedException">The socket could not be made.</exception>
    public void Start()
    {
        File.Delete(path);
        byte[] address = SocketAddress.Unix(path);
        listener = LinkSocket.Create();
        if (listener.IsInvalid || Libc.bind(listener, ref address[0], address.Length) != 0
            || Libc.listen(listener, Limits.LinkBacklog) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            throw new RefusedException(new("service address", $"a socket at {path}",
                Marshal.GetPInvokeErrorMessage(error), "check the directory and its rights"));
        }

        listenerWatch = reactor.Watch(listener, DescriptorInterest.Readable, _ => OnLink());
    }

    /// <summary>Takes what has arrived.</summary>
    /// <param name="all">All of it, rather than one turn's worth.</param>
    public void Drain(bool all)
    {
        if (all)
        {
            OnLink();
        }

        for (int i = 0; link is not null && (all || i < Limits.LinkMessagesPerTurnMax); i++)
        {
            int result = link.Receive(out ReadOnlySpan<byte> message, out Descriptor? carried);
            if (result is -Constants.EAGAIN or -Constants.EINTR)
            {
                return;
            }

            if (result <= 0)
            {
                EndLink(null);
                return;
            }

            Take(message, carried);
        }
    }

    /// <summary>This node takes over: ends every connection of the partner's.</summary>
    /// <returns>How many there were.</returns>
    public int ShutDownDuplicates()
    {
        Drain(all: true);
        int count = duplicates.Count;
        foreach (Descriptor duplicate in duplicates.Values)
        {
            Sockets.Shutdown(duplicate);
            duplicate.Dispose();
        }

        duplicates.Clear();
        return count;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        EndLink(null);
        listenerWatch?.Dispose();
        listener?.Dispose();
        File.Delete(path);
        ForgetDuplicates();
    }

    private void OnLink()
    {
        // Only the newest link counts: an older one is of a dead or a fallen behind partner.
        while (listener is not null)
        {
            Descriptor accepted = Sockets.Accept(listener, out _);
            if (accepted.IsInvalid)
            {
                return;
            }

            if (link is not null)
            {
                Drain(all: false);
                EndLink(null);
            }

            link = new(accepted);
            linkWatch = reactor.Watch(
                accepted, DescriptorInterest.Readable, _ => Drain(all: false));
            events.PartnerAppeared();
        }
    }

    private void Take(ReadOnlySpan<byte> bytes, Descriptor? carried)
    {
        LinkMessage? message = LinkMessage.Read(
            bytes, carried is not null, settings.Port, partnerId, out Refusal? refusal);
        switch (message?.Kind)
        {
            case LinkKind.Hello:
                ForgetDuplicates();
                break;
            case LinkKind.Listener:
                events.ListenerArrived(carried!);
                break;
            case LinkKind.Opened:
                refusal = Keep(message.Value.Connection, carried!);
                break;
            case LinkKind.Closed when duplicates.Remove(message.Value.Connection, out var ended):
                ended.Dispose();
                break;
            case LinkKind.Taken:
                events.PartnerTook();
                break;
            case null:
                carried?.Dispose();
                break;
        }

        if (refusal is not null)
        {
            EndLink(refusal);
        }
    }

    private Refusal? Keep(ulong connection, Descriptor duplicate)
    {
        if (duplicates.Count < Limits.ConnectionsMax && duplicates.TryAdd(connection, duplicate))
        {
            return null;
        }

        duplicate.Dispose();
        return new("duplicate of a connection",
            $"a new one, at most {Limits.ConnectionsMax}",
            $"number {connection} beside {duplicates.Count} others");
    }

    /// <summary>
    /// The link is gone; what it brought stays until a takeover or the next link.
    /// </summary>
    private void EndLink(Refusal? refusal)
    {
        if (refusal is not null)
        {
            ExportEvents.LinkRefused.Raise(logger, settings.Port, refusal);
        }

        linkWatch?.Dispose();
        link?.Dispose();
        (linkWatch, link) = (null, null);
    }

    private void ForgetDuplicates()
    {
        foreach (Descriptor duplicate in duplicates.Values)
        {
            duplicate.Dispose();
        }

        duplicates.Clear();
    }
}
