using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.NbdExport.Connections;

/// <summary>What a connection needs of the service address it came to.</summary>
internal interface IConnectionOwner
{
    /// <summary>The reactor of it all.</summary>
    IReactor Reactor { get; }

    /// <summary>Buffers for requests.</summary>
    BufferPool Buffers { get; }

    /// <summary>The exports as the handshake knows them.</summary>
    ExportTable Exports { get; }

    /// <summary>The volume of an export.</summary>
    IVolume Volume(int export);

    /// <summary>
    /// Requests completed outside of the connection's own turn: give it one soon.
    /// </summary>
    void NeedsTurn(NbdConnection connection);

    /// <summary>The connection has ended; its descriptor is closed on return.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="refusal">What the client did wrong; null when nothing.</param>
    void Ended(NbdConnection connection, Refusal? refusal);
}
