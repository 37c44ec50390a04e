using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// What has to be done on a running node so that it runs what its store wants of one plugin.
/// </summary>
/// <param name="Old">Module that is to end first; null for none.</param>
/// <param name="New">What is to be brought up then; null for nothing.</param>
/// <param name="Bar">Why it is not loaded, to be shown in its place; null when it is.</param>
/// <param name="Waits">Why all of it waits for a restart; null when it does not.</param>
internal sealed record PluginChange(
    Module? Old, PluginLink? New, PluginCandidate? Bar = null, string? Waits = null)
{
    /// <summary>What is said of a plugin that never gives back what it has.</summary>
    internal const string StillHangs = "its code has not ended, and keeps what it has";

    /// <summary>Decides. Pure.</summary>
    /// <param name="id">The plugin's id.</param>
    /// <param name="modules">Every module of the node.</param>
    /// <param name="found">What its directories and its store hold now.</param>
    /// <param name="named">What the configuration names; null when it names nothing.</param>
    /// <exception cref="RefusedException">
    /// What is there now may not be loaded; what runs goes on.
    /// </exception>
    internal static PluginChange Of(
        string id, IReadOnlyList<Module> modules, IReadOnlyList<PluginCandidate> found,
        IReadOnlyList<string>? named = null)
    {
        Module? old = modules.LastOrDefault(module => module.Id == id);
        PluginCandidate? candidate = found.FirstOrDefault(candidate => candidate.Name == id)
            ?? found.FirstOrDefault(candidate => Hides(candidate, old));
        PluginManifest? wanted = candidate?.Good;
        if (old is { Hangs: true })
        {
            return new(null, null, Waits: StillHangs);
        }

        if (old?.State is ModuleState.Loading or ModuleState.Starting)
        {
            return new(null, null, Waits: "it is still starting; ask again once it has started");
        }

        bool runs = old is { Ended.IsCompleted: false } && old.Finding == FindingKind.Warning;
        if (runs && wanted is not null && wanted.Folder == old!.Manifest?.Folder)
        {
            return new(null, null); // It runs already.
        }

        if (candidate?.Error is { Kind: not (FindingKind.Disabled or FindingKind.Malfunctioned) }
            wrong)
        {
            throw new RefusedException(wrong.Refusal);
        }

        if (wanted is not null && !IsChosen(wanted, named))
        {
            throw new RefusedException(new Refusal(
                $"plugin {id}", "to be named in plugins.clients", string.Join(", ", named!),
                "add it there; what runs goes on"));
        }

        string? waits = (runs ? WhyNotEnd(old!, modules) : null) ?? WhyWaits(wanted);
        return waits is null
            ? new(old, wanted is null ? null : Link(wanted, old, modules), BarOf(candidate))
            : new(null, null, Waits: waits);
    }

    /// <summary>
    /// Whether it is what cannot be read of a plugin's folder, or of one above it: nobody knows
    /// then what is wanted of the plugin.
    /// </summary>
    private static bool Hides(PluginCandidate candidate, Module? module) =>
        candidate is { Manifest: null, Error: not null, Folder.Length: > 0 }
        && module?.Manifest is { } manifest
        && $"{manifest.Folder}/".StartsWith(
            candidate.Folder.TrimEnd('/') + "/", StringComparison.Ordinal);

    /// <summary>As when the node starts: what is installed has a switch of its own.</summary>
    private static bool IsChosen(PluginManifest wanted, IReadOnlyList<string>? named) =>
        named is null || wanted.Origin is PluginOrigin.Store or PluginOrigin.Host
        || named.Contains(wanted.Id);

    private static PluginCandidate? BarOf(PluginCandidate? candidate) =>
        candidate?.Error is null ? null : candidate;

    private static string? WhyNotEnd(Module old, IReadOnlyList<Module> modules)
    {
        Module? user = modules.FirstOrDefault(module => !module.Ended.IsCompleted
            && module.Providers.Any(taken => taken.Provider == old));
        return WhyWaits(old.Manifest)
            ?? (user is null ? null : $"{user.Id} takes services from it");
    }

    private static string? WhyWaits(PluginManifest? manifest) => manifest switch
    {
        { Kind: not PluginKind.Client } =>
            $"a {$"{manifest.Kind}".ToLowerInvariant()} changes at a restart only",
        { Placement: not PluginPlacement.Own } => "it shares a thread with others",
        { NeedsRestart: true } => "its manifest says that it needs a restart",
        _ => null,
    };

    /// <summary>Whose services it takes: of what runs, for nothing else is touched.</summary>
    private static PluginLink Link(
        PluginManifest wanted, Module? old, IReadOnlyList<Module> modules)
    {
        Dictionary<string, Refusal> refusals = [];
        IEnumerable<PluginManifest> others = modules
            .Where(module => module != old && !module.Ended.IsCompleted
                && module.State != ModuleState.NotChosen
                && module.Kind is PluginKind.Client or PluginKind.Witness)
            .Select(static module => module.Manifest!);
        return PluginOrder.Of([.. others, wanted], refusals)
            .FirstOrDefault(link => link.Manifest == wanted)
            ?? throw new RefusedException(refusals[wanted.Id]);
    }
}
