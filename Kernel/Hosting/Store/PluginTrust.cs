using System.Security.Cryptography;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>Whom a node trusts, and whether it must.</summary>
/// <param name="Keys">Keys of those it trusts.</param>
/// <param name="RequireSigned">
/// Whether what does not come with the system must be signed by one of them.
/// </param>
internal sealed record PluginTrust(TrustedKeys Keys, bool RequireSigned)
{
    /// <summary>Takes what is not signed, and trusts nobody.</summary>
    internal static PluginTrust Anybody { get; } = new(TrustedKeys.None, RequireSigned: false);

    // What lies beside the kernel came with it and is replaced with it: whoever can write there
    // can write the kernel, and a signature would protect nothing.
    private static readonly string SystemRoot = NodeConfiguration.SystemFolder + '/';

    /// <summary>Whom a node's configuration trusts.</summary>
    internal static PluginTrust Of(PluginSettings settings, out IReadOnlyList<Refusal> refusals)
    {
        refusals = [];
        TrustedKeys keys = settings.Trust is { } directory
            ? TrustedKeys.Load(directory, out refusals) : TrustedKeys.None;
        return new PluginTrust(keys, settings.RequireSigned);
    }

    /// <summary>Whether a folder came with the kernel.</summary>
    internal static bool IsSystem(string folder) =>
        Path.GetFullPath(folder).StartsWith(SystemRoot, StringComparison.Ordinal);

    /// <summary>What a manifest's signature makes of its plugin.</summary>
    /// <param name="subject">The plugin, for people.</param>
    /// <param name="manifest">The exact bytes of its manifest.</param>
    /// <param name="listsFiles">Whether the manifest lists the hashes of its files.</param>
    /// <param name="signature">Its signature; null when there is none.</param>
    /// <param name="isSystem">Whether it came with the kernel.</param>
    /// <param name="state">By whom it is signed.</param>
    internal Finding? Judge(
        string subject, ReadOnlySpan<byte> manifest, bool listsFiles, PluginSignature? signature,
        bool isSystem, out SignatureState state)
    {
        state = SignatureState.None;
        if (signature is null)
        {
            return Missing(subject, "no signature", isSystem);
        }

        if (!listsFiles)
        {
            return new Finding(FindingKind.Modified, new Refusal(
                subject, "hashes of its files under its signature", "no \"files\" in its manifest",
                "pack it with storageos plugin pack before it is signed"));
        }

        if (Keys.Find(signature.KeyId) is not { } known)
        {
            state = SignatureState.Unknown;
            return Missing(subject, $"one by the unknown key {signature.KeyId}", isSystem);
        }

        using ECDsa key = known.Key;
        if (!signature.Verifies(key, manifest))
        {
            return new Finding(FindingKind.Modified, new Refusal(
                subject, $"the signature of {known.Name} over its manifest",
                "one over something else", "get it anew from its maker"));
        }

        state = SignatureState.Known;
        return null;
    }

    private Finding? Missing(string subject, string found, bool isSystem) =>
        isSystem ? null : new Finding(
            RequireSigned ? FindingKind.Unsigned : FindingKind.Warning,
            new Refusal(
                subject, "a signature by a key of the trust directory", found,
                "put its maker's public key into plugins.trust, if you trust it"));
}
