using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>
/// Looks for a plugin's entry type in its assembly's tables. Nothing is loaded, so that code of a
/// plugin that is only looked at cannot run.
/// </summary>
internal static class AssemblyLook
{
    private const int NestedMax = 16;

    /// <summary>What loading would refuse.</summary>
    internal static IEnumerable<Finding> Of(PluginManifest manifest)
    {
        string subject = $"plugin {manifest.Id}";
        string name = Path.GetFileName(manifest.Assembly);
        Refusal? refusal;
        try
        {
            using FileStream file = File.OpenRead(manifest.Assembly);
            using PEReader image = new(file);
            refusal = !image.HasMetadata
                ? new Refusal(subject, $"{name} to be an assembly of .NET", "another program")
                : HasType(image.GetMetadataReader(), manifest.Type)
                    ? null
                    : new Refusal(
                        subject, $"type {manifest.Type} in {name}", "no such type",
                        "correct \"type\" in its plugin.json");
        }
        catch (Exception failure) when (failure is BadImageFormatException or IOException
            or UnauthorizedAccessException or InvalidOperationException)
        {
            refusal = new Refusal(
                subject, $"{name} to be an assembly that can be loaded", failure.Message);
        }

        if (refusal is not null)
        {
            yield return new Finding(FindingKind.Wrong, refusal);
        }

        string contracts = typeof(IPlugin).Assembly.GetName().Name + ".dll";
        if (File.Exists(Path.Combine(manifest.Folder, contracts)))
        {
            yield return new Finding(FindingKind.Warning, new Refusal(
                subject, $"no {contracts}, which the host supplies", "a copy of its own",
                "reference it with Private=\"false\" ExcludeAssets=\"runtime\""));
        }
    }

    private static bool HasType(MetadataReader reader, string fullName)
    {
        foreach (TypeDefinitionHandle handle in reader.TypeDefinitions)
        {
            TypeDefinition type = reader.GetTypeDefinition(handle);
            if (NameOf(reader, type, depth: 0) == fullName)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// The name as reflection has it: NAMESPACE.OUTER+INNER. In a file of somebody's making types
    /// may lie in each other.
    /// </summary>
    private static string NameOf(MetadataReader reader, TypeDefinition type, int depth)
    {
        string name = reader.GetString(type.Name);
        TypeDefinitionHandle outer = type.GetDeclaringType();
        string space = reader.GetString(type.Namespace);
        return !outer.IsNil && depth < NestedMax
            ? $"{NameOf(reader, reader.GetTypeDefinition(outer), depth + 1)}+{name}"
            : space.Length == 0 ? name : $"{space}.{name}";
    }
}
