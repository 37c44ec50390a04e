// Our link to the partner: it carries our messages only; the partner's come on a link of its own.
// Two one-way links need no rule for who connects. A partner that is stopped reads nothing: when
// the link takes no more it is dropped, and serving goes on without a handover until the partner
// reads again. Every new link begins with all we have.

using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.NbdExport.Connections;
using StorageOs.NbdExport.Interop;

namespace StorageOs.NbdExport.Addresses;

/// <summary>Our messages to the partner. Reactor only.</summary>
internal sealed class LinkSender(
    AddressSettings settings, ulong systemId, string partner, IReactor reactor, ILogger logger)
    : IDisposable
{
    private readonly byte[] address = SocketAddress.Unix(settings.SocketPath(partner));
    private LinkSocket? link;
    private IDescriptorWatch? watch;

    /// <summary>Whether the partner can be told something.</summary>
    public bool Connected => link is not null;

    /// <summary>
    /// Connects if the partner is there; whether there is a new link, to be filled.
    /// </summary>
    public bool TryConnect()
    {
        Descriptor socket = LinkSocket.Create();
        if (socket.IsInvalid || Libc.connect(socket, ref address[0], address.Length) != 0)
        {
            socket.Dispose();
            return false;
        }

        link = new(socket);
        watch = reactor.Watch(socket, DescriptorInterest.Readable, _ => OnReadable());
        ExportEvents.LinkUp.Raise(logger, partner, settings.Port);
        return Send(new(LinkKind.Hello, 0), null);
    }

    /// <summary>Tells the partner, if it listens; whether it was told.</summary>
    public bool Send(LinkMessage message, Descriptor? carried)
    {
        if (link is null)
        {
            return false;
        }

        int result = link.Send(message, settings.Port, systemId, carried);
        if (result < 0)
        {
            Drop($"errno {-result} on sending {message.Kind}");
        }

        return result == 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        watch?.Dispose();
        link?.Dispose();
        (watch, link) = (null, null);
    }

    /// <summary>Nothing comes on our own link but its end.</summary>
    private void OnReadable()
    {
        if (link is not null && Sockets.HasEnded(link.Socket))
        {
            Drop("the partner closed it");
        }
        else if (link is not null)
        {
            Drop("the partner sent something on it, which it must not");
        }
    }

    private void Drop(string why)
    {
        ExportEvents.LinkDown.Raise(logger, partner, settings.Port, why);
        Dispose();
    }
}
