using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Takes one module down: its clients stop, the connection manager takes back what it gave, its
/// services are disposed, its code is unloaded. No step waits for ever and none that fails holds
/// up the next.
/// </summary>
internal sealed class ModuleEnding(
    Module module, IConnectionManager manager, UnloadWatch unloads, ILogger log)
{
    /// <summary>
    /// Has the clients of a module that is well stop by themselves; nothing of it runs after.
    /// What the connection manager gave them stays, so that a session goes on until it is ended.
    /// </summary>
    internal async Task StopAsync(string why)
    {
        await StopCodeAsync(why);
        module.View?.Close();
    }

    /// <summary>
    /// The same of a module that leaves while the session goes on. What takes back its ports and
    /// memory still runs on its reactor.
    /// </summary>
    internal async Task StopToLeaveAsync(string why)
    {
        await StopCodeAsync(why);
        module.View?.Quiet();
    }

    /// <summary>Takes back and disposes all there is of it.</summary>
    /// <param name="why">For people and the partner.</param>
    /// <param name="leaveSession">
    /// Whether its clients are to leave the session by themselves; false when the whole session
    /// has ended.
    /// </param>
    internal async Task FinishAsync(string why, bool leaveSession)
    {
        if (leaveSession && !module.StoppedWell)
        {
            Leave(why); // Its twin waits for nothing that this node still has to wait for.
        }

        module.Hangs |= !await TellStoppingAsync() | !await BroughtUpAsync();
        if (leaveSession)
        {
            await TakeBackAsync(why);
        }

        await DisposeAsync();
        module.End(ModuleState.Stopped, why);
        if (module is { Hangs: false, Code: { } code })
        {
            module.Code = null;
            code.Dispose();
            if (code.Code is { } left)
            {
                _ = unloads.AddAsync(module.Id, module.Manifest!.Version, left);
            }
        }
    }

    /// <summary>Has it stop, once; who comes second waits for the first.</summary>
    private async Task StopCodeAsync(string why)
    {
        if (!module.Advance(ModuleState.Stopping, why))
        {
            await module.StopEnded;
            return;
        }

        try
        {
            bool ended = await TellStoppingAsync() & await BroughtUpAsync();
            if (module.View is { } view)
            {
                ended &= await StopClientsAsync(view);
            }

            module.StoppedWell = ended;
            module.Hangs |= !ended;
        }
        finally
        {
            module.EndStop();
        }
    }

    private void Leave(string why)
    {
        foreach (string client in module.Admitted)
        {
            manager.Leave(client, why);
        }
    }

    /// <summary>
    /// Takes back what its clients were given, unless code of it may still run: memory must not go
    /// from under it, and what comes back late finds all as it was.
    /// </summary>
    private async Task TakeBackAsync(string why)
    {
        while (!module.Hangs && module.Admitted.TryDequeue(out string? client))
        {
            module.Hangs |= !await StepAsync(
                $"taking back what client {client} was given",
                manager.RemoveAsync(client, why), Limits.RemoveTimeMax);
        }

        Leave(why); // Of what hangs, also what was admitted meanwhile.
    }

    /// <summary>Runs what the module's code has asked to be told by.</summary>
    private Task<bool> TellStoppingAsync() => StepAsync(
        "telling it that it stops", module.Stopping.CancelAsync(), Limits.ClientStopTimeMax);

    /// <summary>Waits for what brings it up: it has been told that it stops.</summary>
    private Task<bool> BroughtUpAsync() => StepAsync(
        "bringing it up", module.BroughtUp, Limits.ClientStopTimeMax);

    private async Task<bool> StopClientsAsync(IReactor view)
    {
        using CancellationTokenSource deadline = new(Limits.ClientStopTimeMax);
        bool ended = true;
        foreach ((IClient client, ClientNeeds needs) in module.Parts.Clients.Reverse())
        {
            ended &= await StepAsync(
                $"stopping client {needs.Name}",
                view.CallAsync(() => client.StopAsync(deadline.Token)),
                Limits.ClientStopTimeMax + TimeSpan.FromSeconds(1));
        }

        return ended;
    }

    private async Task DisposeAsync()
    {
        if (module.Reactor is not { } reactor)
        {
            return;
        }

        module.View!.Close();
        if (module.Services is { } services)
        {
            IReactor view = reactor.View(module.Id, failure => log.LogWarning(
                failure, "{Module} failed while it was disposed", module.Id));
            module.Hangs |= !await StepAsync(
                "disposing its services",
                view.CallAsync(services.DisposeAsync), Limits.ClientStopTimeMax);
        }

        module.Services = null;
        module.Parts = ModuleParts.None;
        if (module.Manifest?.Placement == PluginPlacement.Own
            && !reactor.Stop(Limits.ClientStopTimeMax))
        {
            module.Hangs = true;
            PluginEvents.ThreadLeft.Raise(log, module.Id);
        }
    }

    /// <summary>Waits for a step; false when it is left, for it may still run.</summary>
    private async Task<bool> StepAsync(string step, Task work, TimeSpan limit)
    {
        try
        {
            await work.WaitAsync(limit);
        }
        catch (TimeoutException)
        {
            PluginEvents.StepLeft.Raise(log, module.Id, step, limit.TotalSeconds);
            return false;
        }
#pragma warning disable CA1031 // A module that goes may throw anything; the steps go on.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            PluginEvents.StepFailed.Raise(log, module.Id, step, failure);
        }

        return true;
    }
}
