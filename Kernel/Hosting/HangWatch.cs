using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Finds plugins whose own reactor does not come back from a callback, and has them ended: their
/// twins are told, and an operator sees why, in place of a client that is silent for ever.
/// </summary>
/// <param name="modules">All modules there are now.</param>
/// <param name="limit">How long a callback may take.</param>
/// <param name="fault">Ends a module. Any thread.</param>
internal sealed class HangWatch(
    Func<IReadOnlyList<Module>> modules, TimeSpan limit, Action<Module, Exception> fault)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private readonly Dictionary<Module, Probe> probes = [];

    /// <summary>Watches until it is cancelled.</summary>
    internal async Task RunAsync(CancellationToken ends)
    {
        using PeriodicTimer timer = new(Period);
        try
        {
            while (await timer.WaitForNextTickAsync(ends))
            {
                Look();
            }
        }
        catch (OperationCanceledException)
        {
            probes.Clear(); // The node stops; that has limits of its own.
        }
    }

    private void Look()
    {
        Module[] watched = [.. modules().Where(static module =>
            module is { View: not null, Manifest.Placement: PluginPlacement.Own }
            && module.State is ModuleState.Starting or ModuleState.Running)];
        foreach (Module gone in probes.Keys.Except(watched).ToArray())
        {
            _ = probes.Remove(gone);
        }

        foreach (Module module in watched)
        {
            Probe probe = probes.GetValueOrDefault(module, Probe.Done);
            probe = probe.Answer.IsCompleted
                ? new(module.View!.CallAsync(static () => default), 0)
                : probe with { Beats = probe.Beats + 1 };
            probes[module] = probe;

            // Beats of this watch, not the clock: what stops the process is no plugin's doing.
            if (probe.Beats * Period >= limit)
            {
                fault(module, new TimeoutException(
                    $"a callback has not returned for {limit.TotalSeconds} s"));
            }
        }
    }

    /// <summary>A call that a reactor has been asked to run.</summary>
    private sealed record Probe(Task Answer, int Beats)
    {
        internal static Probe Done { get; } = new(Task.CompletedTask, 0);
    }
}
