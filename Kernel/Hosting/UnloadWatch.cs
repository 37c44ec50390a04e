using Microsoft.Extensions.Logging;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Knows whose code is still in memory after it was unloaded: a thread, a timer or a static that
/// refers to it keeps it there, and only a restart of the node ends that. Any thread.
/// </summary>
internal sealed class UnloadWatch(ILogger log)
{
    // A context goes in several steps, each of which a collection must see.
    private const int Collections = 10;
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(200);

    private readonly Lock gate = new();
    private readonly List<(string Id, string Version, WeakReference Code)> left = [];

    /// <summary>
    /// Whose code is there still after all was done that makes it go, each as often as it is.
    /// </summary>
    internal IReadOnlyList<(string Id, string Version)> Lingering
    {
        get
        {
            lock (gate)
            {
                _ = left.RemoveAll(static one => !one.Code.IsAlive);
                return [.. left.Select(static one => (one.Id, one.Version))];
            }
        }
    }

    /// <summary>Watches code that is being unloaded.</summary>
    /// <returns>Completes once it is gone, or known to stay.</returns>
    internal async Task AddAsync(string id, string version, WeakReference code)
    {
        for (int count = 0; code.IsAlive && count < Collections; count++)
        {
            // In the background: no thread of the node stands still for long.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
            await Task.Delay(Between);
        }

        if (code.IsAlive)
        {
            PluginEvents.Lingers.Raise(log, id, version);
            lock (gate)
            {
                left.Add((id, version, code));
            }
        }
    }
}
