using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Where a booting node's plugins come from: what it is handed, its directories and its store,
/// looked at with the trust that it is configured with.
/// </summary>
internal sealed class PluginSource
{
    private readonly IReadOnlyList<EmbeddedPlugin> embedded;
    private readonly PluginSettings settings;
    private readonly PluginTrust trust;
    private readonly PluginStore store;
    private readonly ILogger log;

    private PluginSource(
        IReadOnlyList<EmbeddedPlugin> embedded, PluginSettings settings, PluginTrust trust,
        PluginStore store, ILogger log)
    {
        (this.embedded, this.settings) = (embedded, settings);
        (this.trust, this.store, this.log) = (trust, store, log);
    }

    /// <summary>
    /// Opens them; what a store keeps of versions that nobody needs is removed, for none of them is
    /// loaded yet. A store that is no good costs what is installed, not the node.
    /// </summary>
    internal static PluginSource Open(
        IReadOnlyList<EmbeddedPlugin> embedded, PluginSettings settings, ILogger log)
    {
        PluginSource source = Make(embedded, settings, log);
        try
        {
            source.store.Prune(TimeSpan.Zero); // Whoever changes it tidies it, too.
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException
            or RefusedException)
        {
            PluginEvents.StoreUntidy.Raise(log, failure.Message);
        }

        return source;
    }

    /// <summary>
    /// The same for settings that were read again, of a node that runs: nothing is removed.
    /// </summary>
    internal PluginSource With(PluginSettings fresh) => Make(embedded, fresh, log);

    /// <summary>The same to look at alone: a node may be running from it.</summary>
    internal static PluginSource Look(
        IReadOnlyList<EmbeddedPlugin> embedded, PluginSettings settings, ILogger log) =>
        Make(embedded, settings, log);

    private static PluginSource Make(
        IReadOnlyList<EmbeddedPlugin> embedded, PluginSettings settings, ILogger log)
    {
        PluginTrust trust = PluginTrust.Of(settings, out IReadOnlyList<Refusal> refusals);
        foreach (Refusal refusal in refusals)
        {
            PluginEvents.KeyNotTrusted.Raise(log, refusal);
        }

        PluginStore store = new(settings.Store, TimeProvider.System);
        return new(embedded, settings, trust, store, log);
    }

    /// <summary>What it was configured with.</summary>
    internal PluginSettings Settings => settings;

    /// <summary>All plugins there are, good or not.</summary>
    /// <param name="transportsAlone">See <see cref="PluginInspection.Of"/>.</param>
    internal IReadOnlyList<PluginCandidate> Find(bool transportsAlone)
    {
        try
        {
            return PluginCatalog.Find(embedded, settings, trust, store.Read(), transportsAlone);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            PluginEvents.StoreUnread.Raise(log, store.Directory, failure.Message);
            return PluginCatalog.Find(embedded, settings, trust, [], transportsAlone);
        }
    }

    /// <summary>
    /// The same of a node that runs: a store that cannot be read says nothing about what it wants.
    /// </summary>
    /// <exception cref="RefusedException">It cannot be read, or is not there.</exception>
    internal IReadOnlyList<PluginCandidate> FindForFollowing()
    {
        try
        {
            return Directory.Exists(store.Directory)
                ? PluginCatalog.Find(embedded, settings, trust, store.Read(), false)
                : throw new DirectoryNotFoundException("no such folder");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new RefusedException(
                new Refusal(
                    $"plugin store {store.Directory}", "one that can be read", failure.Message,
                    "correct plugins.store; what runs goes on"),
                failure);
        }
    }

    /// <summary>
    /// Counts a failure of a plugin that did not come with the system: too many keep it from being
    /// loaded. What the system consists of is loaded whatever it did, or there would be no service;
    /// what the program around it hands over is that program's own matter.
    /// </summary>
    internal void NoteFailure(Module module, string why)
    {
        if (module.Manifest is not
            { Origin: not (PluginOrigin.System or PluginOrigin.Host) } manifest)
        {
            return;
        }

        try
        {
            // Of an installed one that was replaced meanwhile: the next begins anew.
            StoreEntry entry = store.Change(module.Id, (known, now) =>
                manifest.Origin == PluginOrigin.Store && known.Current != manifest.Version
                    ? known : known.Fail(why, now, manifest.Version));
            if (entry.MalfunctionOf(manifest.Version) is { } malfunctioned)
            {
                PluginEvents.Malfunctioned.Raise(log, module.Id, malfunctioned);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException
            or RefusedException)
        {
            PluginEvents.FailureNotKept.Raise(log, module.Id, failure.Message);
        }
    }
}
