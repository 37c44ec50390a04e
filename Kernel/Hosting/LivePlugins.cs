using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Hosting;

/// <summary>What became of a change of one plugin on a running node.</summary>
/// <param name="Module">The module that is there now; null when none is.</param>
/// <param name="Waits">Why the change waits for a restart; null when it is done.</param>
internal sealed record PluginOutcome(Module? Module, string? Waits);

/// <summary>
/// Has a running node follow its plugin store, one plugin at a time: the old version's clients
/// leave the session by themselves and the new one's join it, while all others go on.
/// </summary>
internal sealed class LivePlugins(
    NodeSettings node, PluginSource source, PluginHost host, ILogger log)
{
    /// <summary>Does what the store wants of a plugin, as far as that needs no restart.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="cancellation">Set when the node stops: nothing more is waited for.</param>
    /// <exception cref="RefusedException">It may not be loaded; what ran runs on.</exception>
    internal async Task<PluginOutcome> FollowAsync(string id, CancellationToken cancellation)
    {
        // Whoever installs a plugin writes its settings, and trusts its maker, first.
        PluginSettings settings = (node.Reread?.Invoke() ?? node).Plugins;
        if (settings.Store != source.Settings.Store)
        {
            return new(
                host.Modules.LastOrDefault(module => module.Id == id),
                "plugins.store is another one since the node started");
        }

        PluginChange change = PluginChange.Of(
            id, host.Modules, source.With(settings).FindForFollowing(), settings.Clients);
        if (change.Waits is { } waits)
        {
            return new(host.Modules.LastOrDefault(module => module.Id == id), waits);
        }

        if (change.Old is { } old)
        {
            await host.LeaveAsync(old, change.New is { } next
                ? $"version {next.Manifest.Version} takes its place" : "it is not wanted any more");
            if (old.Hangs)
            {
                return new(old, PluginChange.StillHangs);
            }
        }

        if (cancellation.IsCancellationRequested)
        {
            throw new RefusedException(new Refusal(
                $"plugin {id}", "a node that goes on", "one that stops",
                "it follows when it starts again"));
        }

        if (change.New is { } link)
        {
            await StartAsync(link, settings.Settings.GetSection(id), cancellation);
        }
        else if (change.Bar is { } bar)
        {
            host.AddBarred(bar);
        }

        return new(host.Modules.LastOrDefault(module => module.Id == id), null);
    }

    /// <summary>Brings it up; a start that takes long goes on by itself.</summary>
    private async Task StartAsync(
        PluginLink link, IConfigurationSection settings, CancellationToken cancellation)
    {
        (_, Task started) = host.BringUp([link], settings);
        try
        {
            await started.WaitAsync(Limits.LiveStartTimeMax, cancellation);
        }
        catch (Exception late) when (late is TimeoutException or OperationCanceledException)
        {
            PluginEvents.Late.Raise(log, link.Manifest.Id, late.Message);
        }
    }
}
