using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>What an assembly of Contracts has, by type. Read without loading it.</summary>
internal sealed class ContractsMembers
{
    // What code says of an object of ours it says of these by their own names.
    private static readonly string[] Roots =
        ["System.Object", "System.ValueType", "System.Enum", "System.MulticastDelegate"];

    private readonly Dictionary<string, (HashSet<string> Members, string Base)> types = [];

    /// <summary>Reads the assembly.</summary>
    internal ContractsMembers(string assembly)
    {
        using PEReader file = new(File.OpenRead(assembly));
        MetadataReader reader = file.GetMetadataReader();
        foreach (TypeDefinition type in reader.TypeDefinitions.Select(reader.GetTypeDefinition))
        {
            HashSet<string> members =
            [
                .. type.GetMethods().Select(reader.GetMethodDefinition).Select(method => Text(
                    reader.GetString(method.Name),
                    method.DecodeSignature(SignatureNames.Only, null))),
                .. type.GetFields().Select(reader.GetFieldDefinition).Select(field => Text(
                    reader.GetString(field.Name),
                    field.DecodeSignature(SignatureNames.Only, null))),
            ];
            types[SignatureNames.Of(reader, type)] = (members, BaseOf(reader, type));
        }
    }

    /// <summary>A method as text.</summary>
    internal static string Text(string name, MethodSignature<string> signature)
    {
        string parameters = string.Join(", ", signature.ParameterTypes);
        string generic = signature.GenericParameterCount > 0
            ? $"`{signature.GenericParameterCount}" : "";
        string owner = signature.Header.IsInstance ? "" : "static ";
        return $"{owner}{signature.ReturnType} {name}{generic}({parameters})";
    }

    /// <summary>A field as text.</summary>
    internal static string Text(string name, string type) => $"{type} {name}";

    /// <summary>Whether it has a type of this name.</summary>
    internal bool Has(string type) => types.ContainsKey(type);

    /// <summary>
    /// Whether a type or what it derives from has a member; what a type of somebody else's may have
    /// is taken for had.
    /// </summary>
    internal bool Has(string type, string member)
    {
        while (types.TryGetValue(type, out (HashSet<string> Members, string Base) known))
        {
            if (known.Members.Contains(member))
            {
                return true;
            }

            type = known.Base;
        }

        return type.Length > 0 && !Roots.Contains(type);
    }

    private static string BaseOf(MetadataReader reader, TypeDefinition type) =>
        type.BaseType.Kind switch
        {
            _ when type.BaseType.IsNil => "",
            HandleKind.TypeReference => SignatureNames.Of(
                reader, reader.GetTypeReference((TypeReferenceHandle)type.BaseType), out _),
            HandleKind.TypeDefinition => SignatureNames.Of(
                reader, reader.GetTypeDefinition((TypeDefinitionHandle)type.BaseType)),
            _ => "a type made of others",
        };
}
