using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace StorageOs.Plugin.Sdk;

/// <summary>
/// What a manifest is held against. Read out of the assemblies without loading them: what a build
/// has loaded stays loaded for the next one.
/// </summary>
/// <param name="Assembly">File name of the plugin's assembly.</param>
/// <param name="Classes">Its classes that a host can make, by their names in reflection.</param>
/// <param name="Plugins">
/// The public ones that say themselves that they implement IPlugin.
/// </param>
/// <param name="Services">Names of the services that plugins offer each other.</param>
/// <param name="Contracts">Version of Contracts, such as 0.1.</param>
internal sealed record PluginFacts(
    string Assembly,
    IReadOnlyCollection<string> Classes,
    IReadOnlyCollection<string> Plugins,
    IReadOnlyCollection<string> Services,
    Version Contracts)
{
    private const string ServicesSpace = "StorageOs.Contracts.Services";

    /// <summary>Reads both assemblies.</summary>
    internal static PluginFacts Read(string assembly, string contracts)
    {
        using PEReader mine = new(File.OpenRead(assembly));
        using PEReader theirs = new(File.OpenRead(contracts));
        MetadataReader code = mine.GetMetadataReader();
        MetadataReader host = theirs.GetMetadataReader();
        TypeDefinition[] classes = [.. Types(code).Where(CanBeMade)];
        return new PluginFacts(
            Path.GetFileName(assembly),
            [.. classes.Select(type => Name(code, type))],
            [.. classes.Where(type => IsPublic(type) && IsPlugin(code, type))
                .Select(type => Name(code, type))],
            [.. Types(host).Where(type => IsService(host, type))
                .Select(type => host.GetString(type.Name))],
            VersionOf(host));
    }

    private static IEnumerable<TypeDefinition> Types(MetadataReader reader) =>
        reader.TypeDefinitions.Select(reader.GetTypeDefinition);

    private static string Name(MetadataReader reader, TypeDefinition type)
    {
        string space = reader.GetString(type.Namespace);
        string name = reader.GetString(type.Name);
        TypeDefinitionHandle outer = type.GetDeclaringType();
        return !outer.IsNil ? $"{Name(reader, reader.GetTypeDefinition(outer))}+{name}"
            : space.Length == 0 ? name : $"{space}.{name}";
    }

    // Public or not: a host asks for its name alone. One with parameters of types cannot be named.
    private static bool CanBeMade(TypeDefinition type) =>
        type.GetGenericParameters().Count == 0
        && (type.Attributes & (TypeAttributes.Abstract | TypeAttributes.Interface)) == 0;

    private static bool IsPublic(TypeDefinition type) =>
        (type.Attributes & TypeAttributes.VisibilityMask) == TypeAttributes.Public;

    private static bool IsPlugin(MetadataReader reader, TypeDefinition type) =>
        type.GetInterfaceImplementations().Any(handle =>
        {
            EntityHandle implemented = reader.GetInterfaceImplementation(handle).Interface;
            return implemented.Kind == HandleKind.TypeReference
                && reader.GetString(
                    reader.GetTypeReference((TypeReferenceHandle)implemented).Name) == "IPlugin";
        });

    private static bool IsService(MetadataReader reader, TypeDefinition type) =>
        IsPublic(type) && (type.Attributes & TypeAttributes.Interface) != 0
        && reader.GetString(type.Namespace) == ServicesSpace;

    // The assembly's own version is fixed for the major version; the informational one is not.
    private static Version VersionOf(MetadataReader reader)
    {
        foreach (CustomAttributeHandle handle in reader.GetAssemblyDefinition()
            .GetCustomAttributes())
        {
            CustomAttribute attribute = reader.GetCustomAttribute(handle);
            if (attribute.Constructor.Kind == HandleKind.MemberReference
                && IsInformationalVersion(reader, attribute))
            {
                BlobReader value = reader.GetBlobReader(attribute.Value);
                _ = value.ReadUInt16(); // The prolog, always 1.
                Version whole = Version.Parse(value.ReadSerializedString()!.Split('+', '-')[0]);
                return new Version(whole.Major, whole.Minor);
            }
        }

        throw new BadImageFormatException("StorageOs.Contracts says no version");
    }

    private static bool IsInformationalVersion(MetadataReader reader, CustomAttribute attribute)
    {
        EntityHandle parent = reader.GetMemberReference(
            (MemberReferenceHandle)attribute.Constructor).Parent;
        return parent.Kind == HandleKind.TypeReference
            && reader.GetString(reader.GetTypeReference((TypeReferenceHandle)parent).Name)
                == nameof(AssemblyInformationalVersionAttribute);
    }
}
