// A manifest's range of Contracts is what a maker says of a plugin; this is what its code says. A
// plugin that uses a member which came after its contracts.min would else be loaded, and end by a
// MissingMethodException in whichever callback comes to that member first, perhaps years later.
// What it looks at is each assembly directly in the folder: where a build puts what it runs.
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration.Interop;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>What a plugin's assemblies use of Contracts. Read without loading them.</summary>
internal static class ContractsUse
{
    private const string Space = "StorageOs.Contracts";

    // A signature is read by recursion; a longer one is no member's of Contracts.
    private const int SignatureBytesMax = 2048;

    // A program that is one file has no file of Contracts, and loads no plugins from folders.
    private static readonly Lazy<ContractsMembers?> Ours = new(static () =>
        typeof(IPlugin).Assembly.Location is { Length: > 0 } file ? new(file) : null);

    /// <summary>
    /// What keeps a plugin from running here, in that this kernel's Contracts lack it; null when
    /// nothing does.
    /// </summary>
    internal static Refusal? Problem(PluginManifest manifest) =>
        Ours.Value is { } ours ? Problem(manifest, ours, ManifestReader.ContractsVersion) : null;

    /// <summary>The same for given ones.</summary>
    internal static Refusal? Problem(
        PluginManifest manifest, ContractsMembers ours, Version version)
    {
        foreach (string file in Directory.EnumerateFiles(manifest.Folder, "*.dll").Order())
        {
            string[] missing = [.. Missing(file, ours)];
            if (missing.Length > 0)
            {
                string more = missing.Length > 1 ? $" and {missing.Length - 1} more" : "";
                return new Refusal(
                    $"plugin {manifest.Id}, assembly {Path.GetFileName(file)}",
                    $"to use what Contracts {version} have", $"{missing[0]}{more}",
                    "it needs a newer kernel; its maker should say so in contracts.min");
            }
        }

        return null;
    }

    private static List<string> Missing(string file, ContractsMembers ours)
    {
        if (!Statx.IsFile(file))
        {
            return []; // A pipe, say: nothing could be loaded from it.
        }

        try
        {
            using PEReader image = new(File.OpenRead(file));
            return image.HasMetadata ? Missing(image.GetMetadataReader(), ours) : [];
        }
        catch (BadImageFormatException)
        {
            return []; // No assembly. Whoever loads it says so, if anybody does.
        }
    }

    private static List<string> Missing(MetadataReader code, ContractsMembers ours)
    {
        if (!code.AssemblyReferences.Select(code.GetAssemblyReference)
            .Any(used => code.GetString(used.Name) == Space))
        {
            return [];
        }

        List<string> missing = [];
        foreach (TypeReference type in code.TypeReferences.Select(code.GetTypeReference))
        {
            string name = SignatureNames.Of(code, type, out string assembly);
            if (assembly == Space && !ours.Has(name))
            {
                missing.Add(Short(name));
            }
        }

        foreach (MemberReference member in code.MemberReferences.Select(code.GetMemberReference))
        {
            string owner = OwnerOf(code, member.Parent);
            if (owner.Length > 0 && ours.Has(owner) && !ours.Has(owner, Text(code, member)))
            {
                missing.Add($"{Short(owner)}.{Shown(code.GetString(member.Name))}");
            }
        }

        return missing;
    }

    /// <summary>A member's type, when that is one of Contracts; else nothing.</summary>
    private static string OwnerOf(MetadataReader code, EntityHandle parent)
    {
        if (parent.Kind == HandleKind.TypeSpecification)
        {
            // One made of a generic type: that comes second, behind a byte that says so.
            BlobReader text = code.GetBlobReader(
                code.GetTypeSpecification((TypeSpecificationHandle)parent).Signature);
            if (text.ReadSignatureTypeCode() != SignatureTypeCode.GenericTypeInstance)
            {
                return "";
            }

            _ = text.ReadByte(); // Whether it is a class or a value.
            parent = text.ReadTypeHandle();
        }

        if (parent.Kind != HandleKind.TypeReference)
        {
            return "";
        }

        TypeReference type = code.GetTypeReference((TypeReferenceHandle)parent);
        string name = SignatureNames.Of(code, type, out string assembly);
        return assembly == Space ? name : "";
    }

    private static string Text(MetadataReader code, MemberReference member)
    {
        string name = code.GetString(member.Name);
        if (code.GetBlobReader(member.Signature).Length > SignatureBytesMax)
        {
            return $"{name} of a signature too long";
        }

        return member.GetKind() == MemberReferenceKind.Field
            ? ContractsMembers.Text(name, member.DecodeFieldSignature(SignatureNames.Only, null))
            : ContractsMembers.Text(name, member.DecodeMethodSignature(SignatureNames.Only, null));
    }

    // As it stands in a source: a property is two methods there.
    private static string Shown(string name) =>
        name.StartsWith("get_", StringComparison.Ordinal)
            || name.StartsWith("set_", StringComparison.Ordinal) ? name[4..] : name;

    private static string Short(string type) => type[(type.LastIndexOf('.') + 1)..];
}
