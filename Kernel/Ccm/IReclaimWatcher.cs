namespace StorageOs.Kernel.Ccm;

/// <summary>
/// A client whose memory others have mapped, too: it is told around a reclaim, which may move it.
/// Client's reactor.
/// </summary>
internal interface IReclaimWatcher
{
    /// <summary>From when this returns until the next, nobody touches its regions.</summary>
    void Reclaiming();

    /// <summary>They are where their backing paths say.</summary>
    void Reclaimed();
}
