namespace StorageOs.Kernel.Isolation;

/// <summary>
/// A plugin's process has ended, or did what it must not; the message is the whole reason, as an
/// operator reads it.
/// </summary>
internal sealed class PluginProcessException(string why, Exception? inner = null)
    : Exception(why, inner);
