using System.Reflection;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Tidy.Tests;

/// <summary>
/// What Contracts promises is a text file that is reviewed like any source: a change to the one
/// without the other fails here.
/// </summary>
public sealed class PublicSurfaceTests
{
    private const string SurfaceFile = "Contracts/PublicSurface.txt";

    [Fact]
    public void The_public_surface_of_Contracts_is_the_reviewed_one()
    {
        string actual = string.Join('\n', Surface()) + "\n";
        string path = Path.Combine(Repository.Root, SurfaceFile);
        if (Environment.GetEnvironmentVariable("ACCEPT_SURFACE") == "1")
        {
            File.WriteAllText(path, actual);
        }

        string[] expected = File.ReadAllLines(path);
        string[] removed = [.. expected.Except(Surface()).Select(line => "- " + line)];
        string[] added = [.. Surface().Except(expected).Select(line => "+ " + line)];
        Assert.True(
            removed.Length + added.Length == 0,
            $"{SurfaceFile} differs:\n{string.Join('\n', removed.Concat(added))}\n"
            + "If that is meant: ACCEPT_SURFACE=1 dotnet test tests/Tidy.Tests, and have it reviewed.");
    }

    private static IEnumerable<string> Surface()
    {
        foreach (Type type in typeof(IPlugin).Assembly.GetExportedTypes()
            .OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            string bases = string.Join(", ", type.GetInterfaces().Select(Name).Order());
            yield return $"{Kind(type)} {type.FullName}" + (bases.Length > 0 ? $" : {bases}" : "");
            foreach (string member in Members(type).Order(StringComparer.Ordinal))
            {
                yield return $"{type.FullName}: {member}";
            }
        }
    }

    private static IEnumerable<string> Members(Type type)
    {
        const BindingFlags Own = BindingFlags.Public | BindingFlags.NonPublic
            | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        if (type.IsEnum)
        {
            return Enum.GetNames(type).Select(
                name => $"{name} = {Convert.ToInt64(Enum.Parse(type, name))}");
        }

        return type.GetMembers(Own).Where(IsSeen).Select(Describe);
    }

    private static bool IsSeen(MemberInfo member) => member switch
    {
        MethodBase method => method.IsPublic || method.IsFamily,
        FieldInfo field => field.IsPublic || field.IsFamily,
        _ => false,
    };

    private static string Describe(MemberInfo member) => member switch
    {
        MethodInfo method => (method.IsStatic ? "static " : "")
            + (method.IsVirtual && !method.IsAbstract && method.DeclaringType!.IsInterface
                ? "default " : "")
            + $"{Name(method.ReturnType)} {method.Name}({Parameters(method)})",
        MethodBase constructor => $"{constructor.Name}({Parameters(constructor)})",
        FieldInfo field => (field.IsLiteral ? "const " : field.IsStatic ? "static " : "")
            + $"{Name(field.FieldType)} {field.Name}"
            + (field.IsLiteral ? $" = {field.GetRawConstantValue()}" : ""),
        _ => member.Name,
    };

    private static string Parameters(MethodBase method) => string.Join(
        ", ", method.GetParameters().Select(p => $"{Name(p.ParameterType)} {p.Name}"));

    private static string Kind(Type type) => type.IsInterface ? "interface"
        : type.IsEnum ? "enum" : type.IsValueType ? "struct" : "class";

    private static string Name(Type type) => type.IsGenericType
        ? $"{type.Name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>"
        : type.Name;
}
