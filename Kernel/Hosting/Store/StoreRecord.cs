using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>One plugin as it was found in a store.</summary>
/// <param name="Id">Its id, the name of its folder.</param>
/// <param name="Entry">What is kept of it; null when that cannot be read.</param>
/// <param name="Path">Full path of its folder, which holds one folder for each version.</param>
/// <param name="Broken">Why its entry cannot be read; null when it can.</param>
internal sealed record StoreRecord(string Id, StoreEntry? Entry, string Path, Refusal? Broken)
{
    /// <summary>Whether there is a version of it, or nobody knows.</summary>
    internal bool IsInstalled => Broken is not null || Entry!.Current is not null;

    /// <summary>Full path of the current version's folder.</summary>
    internal string Folder => System.IO.Path.Combine(Path, Entry?.Current ?? "");

    /// <summary>What the store's state makes of what the current version's folder holds.</summary>
    internal PluginCandidate Judge(PluginCandidate found)
    {
        if (Broken is not null)
        {
            return new(Id, null, new Finding(FindingKind.Wrong, Broken));
        }

        if (!Entry!.Enabled)
        {
            return new(Id, found.Manifest, new Finding(FindingKind.Disabled, new Refusal(
                $"plugin {Id}", "to be enabled", Entry.DisabledWhy ?? Entry.Reason,
                $"storageos plugin enable {Id}")));
        }

        if (found.Manifest is { } manifest
            && (manifest.Id != Id || manifest.Version != Entry.Current))
        {
            return new(Id, null, new Finding(FindingKind.Modified, new Refusal(
                $"plugin {Id} in {Folder}", $"version {Entry.Current} of {Id}",
                $"version {manifest.Version} of {manifest.Id}")));
        }

        return JudgeOther(found with { Name = Id });
    }

    /// <summary>The same for a plugin that lies elsewhere: whether it failed too often.</summary>
    internal PluginCandidate JudgeOther(PluginCandidate found) =>
        found.Error is null && Entry?.MalfunctionOf(found.Manifest?.Version) is { } why
            && found.Manifest?.Origin != PluginOrigin.System
            ? found with
            {
                Error = new Finding(FindingKind.Malfunctioned, new Refusal(
                    $"plugin {Id}", "to run without failing", why,
                    $"see the log, then storageos plugin enable {Id}")),
            }
            : found;
}
