using Microsoft.Build.Framework;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Plugin.Sdk;

/// <summary>
/// Makes one file of a plugin's folder, by the node's own writer: one folder makes one and the same
/// file, byte for byte, wherever and whenever it is made, be it by this or by
/// <c>storageos plugin pack</c>.
/// </summary>
public sealed class WriteBundle : PluginTask
{
    /// <summary>The plugin's folder.</summary>
    [Required]
    public string Folder { get; set; } = "";

    /// <summary>The folder to put the bundle into.</summary>
    [Required]
    public string Into { get; set; } = "";

    /// <summary>The bundle that was made.</summary>
    [Output]
    public string Bundle { get; set; } = "";

    /// <inheritdoc/>
    protected override void Run()
    {
        string manifest = Path.Combine(Folder, ManifestReader.FileName);
        if (!File.Exists(manifest))
        {
            Refuse("SOS002", manifest, 0, "expected a manifest, found nothing; build first");
            return;
        }

        _ = Directory.CreateDirectory(Into);
        string whole = Path.GetFullPath(Folder);
        Bundle = BundleWriter.Pack(whole, Into, CanBeRead);
    }

    /// <summary>Whether a node could unpack it: it has limits of its own.</summary>
    private bool CanBeRead(string bundle)
    {
        string unpacked = Directory.CreateTempSubdirectory("storageos-bundle-").FullName;
        try
        {
            Refusal? refusal = BundleReader.TryExtract(bundle, unpacked)
                ?? ManifestReader.Read(unpacked, out _, out _)
                    .FirstOrDefault(static finding => finding.IsError)?.Refusal;
            if (refusal is not null)
            {
                Refuse("SOS002", bundle, 0, $"{refusal}");
            }

            return refusal is null;
        }
        finally
        {
            Directory.Delete(unpacked, recursive: true);
        }
    }
}
