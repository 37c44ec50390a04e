using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace StorageOs.Tidy.Tests;

/// <summary>The sources as they lie in the repository.</summary>
internal static class Repository
{
    internal static string Root { get; } = FindRoot();

    /// <summary>Sources of the product, by path from the root; tests and samples left out.</summary>
    internal static IReadOnlyList<string> Sources { get; } =
    [
        .. new[]
        {
            "Contracts", "Kernel", "Plugins", "Conformance", "sdk/Hosting", "sdk/Plugin.Sdk",
            "sdk/Plugin.Testing",
        }.SelectMany(Below),
    ];

    /// <summary>Project files of the product, by path from the root.</summary>
    internal static IReadOnlyList<string> Projects { get; } =
        [.. Files("Contracts", "*.csproj"), .. Files("Kernel", "*.csproj"),
            .. Files("Plugins", "*.csproj")];

    internal static IReadOnlyList<string> Below(string folder) => Files(folder, "*.cs");

    internal static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    internal static SyntaxNode Parse(string path) =>
        CSharpSyntaxTree.ParseText(Read(path), path: path).GetRoot();

    private static string[] Files(string folder, string pattern)
    {
        string start = Path.Combine(Root, folder);
        return [.. Directory.EnumerateFiles(start, pattern, SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root, path))
            .Where(path => !path.Split('/').Any(part => part is "bin" or "obj"))
            .Order(StringComparer.Ordinal)];
    }

    private static string FindRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "StorageOs.sln")))
        {
            folder = Path.GetDirectoryName(folder)
                ?? throw new DirectoryNotFoundException("no StorageOs.sln above the tests");
        }

        return folder;
    }
}
