namespace StorageOs.Contracts.Transports;

/// <summary>
/// An ability of the partner's memory on some transports: it can be looked at once more after
/// every port to its owner has failed, because the owner's process has died or stands still. For
/// what a survivor wants to know of the dead; nothing that safety depends on may be read this way.
/// </summary>
public interface ISurvivingMemory
{
    /// <summary>
    /// Copies what stands at <paramref name="offset"/>. Never waits for the partner. Bytes may be
    /// torn where the owner still writes.
    /// </summary>
    /// <returns>
    /// False when the owner has withdrawn the memory or has booted anew; nothing may be made of
    /// <paramref name="into"/> then.
    /// </returns>
    bool TryCopy(long offset, Span<byte> into);
}
