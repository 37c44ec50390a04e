using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>Memory that the card has been shown, until it is deregistered.</summary>
internal sealed class Registration(nint handle, Adapter adapter)
{
    private nint handle = handle;

    /// <summary>Key for our own posts.</summary>
    public uint LocalKey { get; } = InlineVerbs.LocalKey(handle);

    /// <summary>Key for the partner's posts.</summary>
    public uint RemoteKey { get; } = InlineVerbs.RemoteKey(handle);

    /// <summary>The card.</summary>
    public Adapter Adapter { get; } = adapter;

    /// <summary>
    /// ibv_dereg_mr; zero, also when it was before, or the error number, and then the memory is
    /// still registered. Never ibv_rereg_mr: a card may refuse that and leave the old rights.
    /// </summary>
    public int TryEnd()
    {
        if (handle == 0)
        {
            return 0;
        }

        int error = Ibv.ibv_dereg_mr(handle);
        if (error == 0)
        {
            handle = 0;
        }

        return error;
    }

    /// <summary>The same where nothing may stand in its way.</summary>
    public void End() => Native.Zero("ibv_dereg_mr", TryEnd());
}
