using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Isolation;

/// <summary>
/// Starts plugins in processes of their own again when those have failed, later each time: the node
/// has lost nothing by them. One that has malfunctioned waits for a person all the same.
/// </summary>
/// <param name="follow">Has the node do what its store and folders want of a plugin.</param>
/// <param name="ends">Set when the node stops.</param>
internal sealed class ProcessRestarts(
    Func<string, Task<PluginOutcome>> follow, TimeProvider time, ILogger log,
    CancellationToken ends)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, (int Failures, DateTimeOffset Last)> failures = [];

    /// <summary>A module has failed. Any thread.</summary>
    internal void Note(Module module)
    {
        if (module.Manifest?.Isolation == PluginIsolation.Process)
        {
            _ = RestartAsync(module.Id, DelayOf(module.Id));
        }
    }

    private TimeSpan DelayOf(string id)
    {
        lock (gate)
        {
            DateTimeOffset now = time.GetUtcNow();
            (int before, DateTimeOffset last) = failures.GetValueOrDefault(id);
            before = now - last < Limits.PluginFailureTime ? before : 0;
            failures[id] = (before + 1, now);
            TimeSpan delay = Limits.ProcessRestartDelayMin * Math.Pow(2, Math.Min(before, 30));
            return delay < Limits.ProcessRestartDelayMax ? delay : Limits.ProcessRestartDelayMax;
        }
    }

    private async Task RestartAsync(string id, TimeSpan delay)
    {
        try
        {
            await Task.Delay(delay, time, ends);
            PluginOutcome outcome = await follow(id);
            PluginEvents.Restarted.Raise(
                log, id, delay.TotalSeconds, outcome.Module?.State,
                outcome.Waits ?? outcome.Module?.Standing.Reason);
        }
        catch (OperationCanceledException)
        {
            log.LogDebug("{Module} is not started again: the node stops", id);
        }
        catch (RefusedException refused)
        {
            PluginEvents.NotRestarted.Raise(log, id, refused.Refusal);
        }
    }
}
