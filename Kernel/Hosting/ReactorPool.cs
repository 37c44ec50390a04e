using StorageOs.Kernel.Loop;

namespace StorageOs.Kernel.Hosting;

/// <summary>The reactors of a node, by placement; made when first asked for.</summary>
internal sealed class ReactorPool : IDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, Reactor> shared = [];

    /// <summary>
    /// The reactor for a module: a shared one, or a new one that it keeps to itself.
    /// </summary>
    internal Reactor For(string module, PluginPlacement placement)
    {
        if (placement == PluginPlacement.Own)
        {
            return new Reactor(module);
        }

        string name = placement.ToString().ToLowerInvariant();
        lock (gate)
        {
            return shared.TryGetValue(name, out Reactor? reactor)
                ? reactor
                : shared[name] = new Reactor(name);
        }
    }

    /// <summary>Ends the shared ones; one that hangs ends with the process.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            foreach (Reactor reactor in shared.Values)
            {
                reactor.Stop(Limits.ClientStopTimeMax);
            }
        }
    }
}
