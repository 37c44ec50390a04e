using System.Security.Cryptography;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration.Interop;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>
/// Everything that is checked of a plugin's folder before code of it is loaded. The loader takes
/// the first error, <c>plugin validate</c> shows all.
/// </summary>
/// <param name="Name">Its id, or its folder's name when the manifest does not say.</param>
/// <param name="Manifest">Its manifest; null when that is wrong in itself.</param>
/// <param name="Findings">What was found; it may be loaded when none is an error.</param>
internal sealed record PluginInspection(
    string Name, PluginManifest? Manifest, IReadOnlyList<Finding> Findings)
{
    /// <summary>Why it is not loaded; null when it is.</summary>
    internal Finding? Error => Findings.FirstOrDefault(static finding => finding.IsError);

    /// <summary>Looks at a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="trust">Whom the node trusts.</param>
    /// <param name="origin">Where the folder lies.</param>
    /// <param name="transportsAlone">
    /// Whether other plugins' files are left for a second look: the handshake waits for this one.
    /// </param>
    internal static PluginInspection Of(
        string folder, PluginTrust trust, PluginOrigin origin, bool transportsAlone = false)
    {
        List<Finding> findings = [.. ManifestReader.Read(
            folder, out PluginManifest? manifest, out byte[] text)];
        if (manifest is null)
        {
            return new(Path.GetFileName(folder.TrimEnd('/')), null, findings);
        }

        string subject = $"plugin {manifest.Id}";
        try
        {
            bool isSystem = origin == PluginOrigin.System;
            Refusal? refusal = ReadSignature(folder, out PluginSignature? signature);
            SignatureState state = SignatureState.None;
            Finding? verdict = refusal is null
                ? trust.Judge(
                    subject, text, manifest.Files is not null, signature, isSystem, out state)
                : new Finding(FindingKind.Modified, refusal);
            if (verdict is not null)
            {
                findings.Add(verdict);
            }

            // Only now: reading all of it is the dear part, and who is not trusted can make it so.
            if (verdict is not { IsError: true }
                && (!transportsAlone || manifest.Kind == PluginKind.Transport))
            {
                findings.AddRange(OfFiles(folder, manifest, subject));
            }

            manifest = manifest with { Origin = origin, Signature = state };
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Refusal unread = new(subject, "files that can be read", failure.Message);
            findings.Add(new Finding(FindingKind.Wrong, unread));
        }

        return new(manifest.Id, manifest, findings);
    }

    private static IEnumerable<Finding> OfFiles(
        string folder, PluginManifest manifest, string subject)
    {
        if (manifest.Files is { } files && FilesProblem(folder, files) is { } modified)
        {
            yield return new Finding(FindingKind.Modified, modified with
            {
                Subject = $"{subject}, {modified.Subject}",
                Remedy = "get it anew from its maker, or roll it back",
            });
        }

        if (ContractsUse.Problem(manifest) is { } lacking)
        {
            yield return new Finding(FindingKind.NotSupported, lacking);
        }
    }

    /// <summary>
    /// The first difference between a folder and the hashes in its manifest; null when there is
    /// none. A link is a difference, for what it leads to may change.
    /// </summary>
    private static Refusal? FilesProblem(string folder, IReadOnlyDictionary<string, string> files)
    {
        Dictionary<string, FileSystemInfo> found = [];
        foreach (FileSystemInfo entry in new DirectoryInfo(folder).EnumerateFileSystemInfos(
            "*", SearchOption.AllDirectories))
        {
            string path = Path.GetRelativePath(folder, entry.FullName);
            bool isFile = entry is DirectoryInfo || Statx.IsFile(entry.FullName);
            if (entry.LinkTarget is not null || !isFile)
            {
                return new Refusal(
                    $"file {path}", "a file of its own", isFile ? "a link" : "a pipe or device");
            }

            if (entry is FileInfo && path is not (
                ManifestReader.FileName or PluginSignature.FileName))
            {
                found.Add(path, entry);
            }
        }

        if (found.Keys.FirstOrDefault(path => !files.ContainsKey(path)) is { } extra)
        {
            return new Refusal($"file {extra}", "only files that its manifest lists", "an extra");
        }

        long bytes = found.Values.Sum(static entry => ((FileInfo)entry).Length);
        if (bytes > Limits.BundleUnpackedBytesMax)
        {
            return new Refusal(
                "its files", $"at most {Limits.BundleUnpackedBytesMax} bytes", $"{bytes}");
        }

        foreach ((string path, string hash) in files)
        {
            if (!found.ContainsKey(path))
            {
                return new Refusal($"file {path}", "to be there, as its manifest says", "nothing");
            }

            string actual = HashOf(Path.Combine(folder, path));
            if (actual != hash)
            {
                return new Refusal($"file {path}", $"the SHA-256 {hash}", actual);
            }
        }

        return null;
    }

    /// <summary>A file's hash as manifests have it.</summary>
    internal static string HashOf(string file)
    {
        using FileStream content = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(content));
    }

    private static Refusal? ReadSignature(string folder, out PluginSignature? signature)
    {
        signature = null;
        FileInfo file = new(Path.Combine(folder, PluginSignature.FileName));
        if (!file.Exists)
        {
            return null;
        }

        return file.Length > Limits.SignatureBytesMax || !Statx.IsFile(file.FullName)
            ? new Refusal(
                $"signature {file}", $"a file of at most {Limits.SignatureBytesMax} bytes",
                $"a pipe or device, or {file.Length} bytes")
            : PluginSignature.TryParse(
                File.ReadAllBytes(file.FullName), file.FullName, out signature);
    }
}
