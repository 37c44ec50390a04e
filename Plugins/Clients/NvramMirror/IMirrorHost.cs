using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.NvramMirror;

/// <summary>What a group's log needs of the client that it is a part of. Reactor thread
/// only.</summary>
internal interface IMirrorHost
{
    /// <summary>The reactor of the storage modules.</summary>
    IReactor Reactor { get; }

    /// <summary>The open port of this session; null when there is none or it failed.</summary>
    MirrorPort? Port { get; }

    /// <summary>This node's page: what the partner reads, and room to read things into.</summary>
    IRegion Page { get; }

    /// <summary>Opens a small file of this node, or makes it.</summary>
    IStableFile OpenFile(string path);

    /// <summary>Takes the port's completions until there are none.</summary>
    void Poll();

    /// <summary>Offers a region to the partner, when there is a session.</summary>
    void Offer(string region);

    /// <summary>Revokes the partner's access to a region.</summary>
    void Withdraw(string region);
}
