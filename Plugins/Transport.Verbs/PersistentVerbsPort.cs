using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// A port to memory that is persistent, by the configuration's word. A read that follows writes
/// on a queue pair is answered after they have left the card and its bus for the memory they went
/// to; what they wrote is then as durable as what the partner's own processor has flushed.
/// </summary>
internal sealed class PersistentVerbsPort(
    VerbsTransport transport,
    QueuePair pair,
    int postsMax,
    Link link,
    ulong ownId,
    ulong partnerId)
    : VerbsPort(transport, pair, postsMax, link, ownId, partnerId), IPersistentFlush
{
    private readonly VerbsTransport transport = transport;

    /// <inheritdoc/>
    public bool TryPostFlush(ulong token, IRemoteMemory target)
    {
        VerbsRegion scratch = transport.FlushScratch;
        return TryPost(
            token, IbvConstants.IBV_WR_RDMA_READ, 0, scratch, scratch.Locate(0, sizeof(ulong)),
            sizeof(ulong), target, 0);
    }
}
