using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Hosting;

/// <summary>One plugin that was looked at: its manifest, and why it is not to be loaded.</summary>
/// <param name="Name">Its id, or its folder's name when the manifest does not say.</param>
/// <param name="Manifest">Its manifest; null when that is wrong.</param>
/// <param name="Error">Why not; null when it may be loaded.</param>
internal sealed record PluginCandidate(string Name, PluginManifest? Manifest, Finding? Error)
{
    /// <summary>Full path of the folder that was looked at; empty for none.</summary>
    internal string Folder { get; init; } = "";

    /// <summary>The manifest of what may be loaded; null for what may not.</summary>
    internal PluginManifest? Good => Error is null ? Manifest : null;
}

/// <summary>
/// Finds plugins by their manifests. No code is loaded, so a folder full of rubbish costs a list
/// of refusals and nothing else.
/// </summary>
internal static class PluginCatalog
{
    /// <summary>
    /// All that a node may load: what it is handed, of its directories, and of its store.
    /// </summary>
    /// <param name="embedded">What it is handed.</param>
    /// <param name="settings">Where the others are.</param>
    /// <param name="trust">Whom the node trusts.</param>
    /// <param name="store">What is installed.</param>
    /// <param name="transportsAlone">See <see cref="PluginInspection.Of"/>.</param>
    internal static IReadOnlyList<PluginCandidate> Find(
        IReadOnlyList<EmbeddedPlugin> embedded, PluginSettings settings, PluginTrust trust,
        IReadOnlyList<StoreRecord> store, bool transportsAlone)
    {
        // Of two plugins with one id, or one too many, that of the system is the one to load.
        IEnumerable<PluginCandidate> named = settings.Directories.SelectMany(Folders).Distinct()
            .OrderBy(static folder => !PluginTrust.IsSystem(folder))
            .Select(folder => Look(folder, trust, null, transportsAlone))
            .Select(found => store.FirstOrDefault(record => record.Id == found.Name) is { } record
                ? record.JudgeOther(found) : found);
        IEnumerable<PluginCandidate> installed = store
            .Where(static record => record.IsInstalled)
            .Select(record => record.Judge(
                Look(record.Folder, trust, PluginOrigin.Store, transportsAlone)));
        return Collect(embedded.Select(static plugin => plugin.Look()).Concat(named)
            .Concat(installed));
    }

    /// <summary>
    /// Looks into each directory: a plugin's folder, or a folder of such folders.
    /// </summary>
    internal static IReadOnlyList<PluginCandidate> Find(IReadOnlyList<string> directories) =>
        Collect(directories.SelectMany(Folders).Distinct()
            .Select(static folder => Look(folder, PluginTrust.Anybody, null, false)));

    /// <summary>Ids of all good plugins of a kind.</summary>
    internal static IReadOnlyList<string> IdsOf(
        IReadOnlyList<string> directories, PluginKind kind) =>
        [.. Find(directories).Select(found => found.Good).OfType<PluginManifest>()
            .Where(manifest => manifest.Kind == kind).Select(manifest => manifest.Id)];

    private static List<PluginCandidate> Collect(IEnumerable<PluginCandidate> candidates)
    {
        List<PluginCandidate> found = [];
        HashSet<string> ids = [];
        foreach (PluginCandidate candidate in candidates)
        {
            if (found.Count == Limits.PluginsMax)
            {
                found.Add(Refused(candidate.Name, new Refusal(
                    $"plugin {candidate.Name}", $"at most {Limits.PluginsMax} plugins", "more")));
                break;
            }

            if (candidate.Good is { } manifest && !ids.Add(manifest.Id))
            {
                found.Add(Refused($"{manifest.Id} ({manifest.Folder})", new Refusal(
                    $"plugin {manifest.Id} in {manifest.Folder}", "an id of its own",
                    "another of that id")));
                continue;
            }

            found.Add(candidate);
        }

        return found;
    }

    private static PluginCandidate Refused(string name, Refusal refusal) =>
        new(name, null, new Finding(FindingKind.Wrong, refusal));

    private static IEnumerable<string> Folders(string directory)
    {
        if (!Directory.Exists(directory) || HasManifest(directory))
        {
            return [directory];
        }

        try
        {
            string[] inside =
            [
                .. Directory.EnumerateDirectories(directory).Where(HasManifest)
                    .Order(StringComparer.Ordinal),
            ];
            bool isOneFolder = inside.Length == 0 && Directory.EnumerateFiles(directory).Any();
            return isOneFolder ? [directory] : inside;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return [directory]; // Who looks into it says why it cannot be read.
        }
    }

    private static bool HasManifest(string folder) =>
        File.Exists(Path.Combine(folder, ManifestReader.FileName));

    private static PluginCandidate Look(
        string folder, PluginTrust trust, PluginOrigin? origin, bool transportsAlone)
    {
        PluginInspection inspection = PluginInspection.Of(
            folder, trust, origin
                ?? (PluginTrust.IsSystem(folder) ? PluginOrigin.System : PluginOrigin.Directory),
            transportsAlone);
        return new PluginCandidate(inspection.Name, inspection.Manifest, inspection.Error)
        {
            Folder = folder,
        };
    }
}
