using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Takes one module down: its clients stop (in good order only), the connection manager takes
/// back what it gave, its callbacks end, its services are disposed, its code is unloaded. No step
/// waits for ever and none that fails holds up the next.
/// </summary>
internal sealed class ModuleEnding(Module module, IConnectionManager manager, ILogger log)
{
    /// <summary>Runs all steps.</summary>
    /// <param name="why">For people and the partner.</param>
    /// <param name="inOrder">Whether its code may still be trusted to stop itself.</param>
    internal async Task RunAsync(string why, bool inOrder)
    {
        bool alive = module.Advance(ModuleState.Stopping, why);
        await module.Stopping.CancelAsync();
        if (module.View is { } view)
        {
            if (alive && inOrder)
            {
                await StopClientsAsync(view);
            }

            while (module.Admitted.TryDequeue(out string? client))
            {
                await StepAsync(
                    $"taking back what client {client} was given",
                    manager.RemoveAsync(client, why), Limits.RemoveTimeMax);
            }

            await DisposeAsync(view);
        }

        module.End(ModuleState.Stopped, why);
        module.Code?.Dispose();
        module.Code = null;
    }

    private async Task StopClientsAsync(IReactor view)
    {
        using CancellationTokenSource deadline = new(Limits.ClientStopTimeMax);
        foreach ((IClient client, ClientNeeds needs) in module.Parts.Clients.Reverse())
        {
            await StepAsync(
                $"stopping client {needs.Name}",
                view.CallAsync(() => client.StopAsync(deadline.Token)),
                Limits.ClientStopTimeMax + TimeSpan.FromSeconds(1));
        }
    }

    private async Task DisposeAsync(Loop.ModuleReactor view)
    {
        if (module.Services is { } services)
        {
            await StepAsync(
                "disposing its services",
                view.CallAsync(services.DisposeAsync), Limits.ClientStopTimeMax);
        }

        view.Close();
        module.Services = null;
        module.Parts = ModuleParts.None;
        if (module.Manifest?.Placement == PluginPlacement.Own
            && !module.Reactor!.Stop(Limits.ClientStopTimeMax))
        {
            log.LogWarning("{Module}: its thread hangs in a callback and is left", module.Id);
        }
    }

    private async Task StepAsync(string step, Task work, TimeSpan limit)
    {
        try
        {
            await work.WaitAsync(limit);
        }
        catch (TimeoutException)
        {
            log.LogWarning(
                "{Module}: {Step} took more than {Limit} s and is left", module.Id, step,
                limit.TotalSeconds);
        }
#pragma warning disable CA1031 // A module that goes may throw anything; the steps go on.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            log.LogWarning(failure, "{Module}: {Step} failed", module.Id, step);
        }
    }
}
