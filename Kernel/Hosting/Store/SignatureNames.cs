using System.Collections.Immutable;
using System.Reflection.Metadata;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>
/// Types of a signature as text, the same whichever assembly they are read out of: by their names,
/// without the assemblies that they are in.
/// </summary>
internal sealed class SignatureNames : ISignatureTypeProvider<string, object?>
{
    // A type within a type within …: what a compiler writes has few of these.
    private const int NestingMax = 16;

    /// <summary>The one there need be, for it holds nothing.</summary>
    internal static SignatureNames Only { get; } = new();

    /// <summary>A type's name as reflection has it.</summary>
    internal static string Of(MetadataReader reader, TypeDefinition type)
    {
        string name = reader.GetString(type.Name);
        TypeDefinitionHandle outer = type.GetDeclaringType();
        return outer.IsNil
            ? Whole(reader.GetString(type.Namespace), name)
            : $"{Of(reader, reader.GetTypeDefinition(outer))}+{name}";
    }

    /// <summary>The same of a type of another assembly, and which that is.</summary>
    internal static string Of(MetadataReader reader, TypeReference type, out string assembly)
    {
        string name = reader.GetString(type.Name);
        for (int depth = 0; depth < NestingMax; depth++)
        {
            EntityHandle scope = type.ResolutionScope;
            if (scope.Kind != HandleKind.TypeReference)
            {
                assembly = scope.Kind == HandleKind.AssemblyReference
                    ? reader.GetString(reader.GetAssemblyReference(
                        (AssemblyReferenceHandle)scope).Name)
                    : "";
                return Whole(reader.GetString(type.Namespace), name);
            }

            type = reader.GetTypeReference((TypeReferenceHandle)scope);
            name = $"{reader.GetString(type.Name)}+{name}";
        }

        throw new BadImageFormatException($"types nested more than {NestingMax} deep");
    }

    /// <inheritdoc/>
    public string GetPrimitiveType(PrimitiveTypeCode typeCode) => $"{typeCode}";

    /// <inheritdoc/>
    public string GetTypeFromDefinition(
        MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) =>
        Of(reader, reader.GetTypeDefinition(handle));

    /// <inheritdoc/>
    public string GetTypeFromReference(
        MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) =>
        Of(reader, reader.GetTypeReference(handle), out _);

    /// <inheritdoc/>
    public string GetTypeFromSpecification(
        MetadataReader reader, object? genericContext, TypeSpecificationHandle handle,
        byte rawTypeKind) => "?"; // Only in modifiers, where compilers put none.

    /// <inheritdoc/>
    public string GetGenericInstantiation(string genericType, ImmutableArray<string> arguments) =>
        $"{genericType}<{string.Join(", ", arguments)}>";

    /// <inheritdoc/>
    public string GetGenericTypeParameter(object? genericContext, int index) => $"!{index}";

    /// <inheritdoc/>
    public string GetGenericMethodParameter(object? genericContext, int index) => $"!!{index}";

    /// <inheritdoc/>
    public string GetArrayType(string elementType, ArrayShape shape) =>
        $"{elementType}[{shape.Rank}]";

    /// <inheritdoc/>
    public string GetSZArrayType(string elementType) => $"{elementType}[]";

    /// <inheritdoc/>
    public string GetByReferenceType(string elementType) => $"{elementType}&";

    /// <inheritdoc/>
    public string GetPointerType(string elementType) => $"{elementType}*";

    /// <inheritdoc/>
    public string GetPinnedType(string elementType) => elementType;

    /// <inheritdoc/>
    public string GetFunctionPointerType(MethodSignature<string> signature) =>
        $"({string.Join(", ", signature.ParameterTypes)}) {signature.ReturnType}";

    /// <inheritdoc/>
    public string GetModifiedType(string modifier, string unmodifiedType, bool isRequired) =>
        isRequired ? $"{unmodifiedType} {modifier}" : unmodifiedType;

    private static string Whole(string space, string name) =>
        space.Length == 0 ? name : $"{space}.{name}";
}
