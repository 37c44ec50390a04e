using StorageOs.Contracts.Services;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.NbdExport.Connections;

/// <summary>
/// One request of one connection (rule S8), from its header to the last byte of its reply; made
/// once and used again by the same connection only.
/// </summary>
internal sealed class NbdRequest(NbdConnection connection) : VolumeRequest
{
    /// <summary>What the client asked.</summary>
    public RequestHeader Header { get; set; }

    /// <summary>Pooled buffer: room for a head, then data. Null when it needs none.</summary>
    public byte[]? Storage { get; set; }

    /// <summary>Bytes of a trim or zeroing that the volume has not been given yet.</summary>
    public long RemainingBytes { get; set; }

    /// <summary>Bytes of a write's payload received so far.</summary>
    public int ReceivedBytes { get; set; }

    /// <summary>Bytes of data in the reply.</summary>
    public int ReplyBytes { get; set; }

    /// <summary>The error to answer.</summary>
    public NbdError Error { get; set; }

    /// <summary>When the volume was given it; 0 when nobody measures.</summary>
    public long Began { get; set; }

    /// <summary>Whether the volume has it.</summary>
    public bool Submitted { get; set; }

    /// <summary>The next of the free ones or of those to be answered.</summary>
    public NbdRequest? Behind { get; set; }

    /// <summary>The data part of <see cref="Storage"/>.</summary>
    public Memory<byte> Data(int length) => Storage.AsMemory(BufferPool.HeadRoom, length);

    /// <inheritdoc/>
    public override void Complete(VolumeStatus status) => connection.Completed(this, status);
}
