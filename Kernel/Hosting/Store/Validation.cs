using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>
/// What <c>plugin validate</c> and installing check: all that the loader does, what loading would
/// show without running anything, and what is good manners of a third party.
/// </summary>
internal static class Validation
{
    /// <summary>Looks at a plugin's folder.</summary>
    internal static PluginInspection OfFolder(
        string folder, PluginTrust trust, PluginOrigin origin)
    {
        PluginInspection inspection = PluginInspection.Of(folder, trust, origin);
        if (inspection.Manifest is not { } manifest)
        {
            return inspection;
        }

        List<Finding> findings =
            [.. inspection.Findings, .. AssemblyLook.Of(manifest)];
        if (origin != PluginOrigin.System && !manifest.Id.Contains('.', StringComparison.Ordinal))
        {
            findings.Add(new Finding(FindingKind.Warning, new Refusal(
                $"plugin {manifest.Id}", "an id with its maker's name, such as vendor.name",
                manifest.Id, "ids without a dot are for what comes with the system")));
        }

        return inspection with { Findings = findings };
    }

    /// <summary>Unpacks a bundle into an empty folder and looks at that.</summary>
    internal static PluginInspection OfBundle(string bundle, string into, PluginTrust trust)
    {
        if (BundleReader.TryExtract(bundle, into) is { } refusal)
        {
            return new(
                Path.GetFileName(bundle), null, [new Finding(FindingKind.Wrong, refusal)]);
        }

        PluginInspection inspection = OfFolder(into, trust, PluginOrigin.Store);
        IEnumerable<Finding> more =
            inspection.Manifest is { } manifest ? OfBundled(manifest) : [];

        // Where it was unpacked is gone when somebody reads this.
        return inspection with
        {
            Name = inspection.Manifest?.Id ?? Path.GetFileName(bundle),
            Findings =
            [
                .. inspection.Findings.Concat(more).Select(finding => finding with
                {
                    Refusal = finding.Refusal with
                    {
                        Subject = finding.Refusal.Subject.Replace(
                            into, bundle, StringComparison.Ordinal),
                    },
                }),
            ],
        };
    }

    private static IEnumerable<Finding> OfBundled(PluginManifest manifest)
    {
        if (!PluginPath.IsVersion(manifest.Version))
        {
            yield return new Finding(FindingKind.Wrong, new Refusal(
                $"manifest of {manifest.Id}, key version",
                "a digit, then letters, digits, dots, dashes and plus", manifest.Version));
        }

        if (manifest.Files is null)
        {
            yield return new Finding(FindingKind.Modified, new Refusal(
                $"manifest of {manifest.Id}, key files", "the hashes of the bundle's files",
                "nothing", "pack it with storageos plugin pack"));
        }
    }
}
