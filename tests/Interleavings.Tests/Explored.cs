using System.Diagnostics;
using System.Reflection;
using System.Runtime.Loader;
using StorageOs.Simulation.Tests;

namespace StorageOs.Interleavings.Tests;

/// <summary>
/// The scenarios, rewritten by Coyote: over the product's sources as they are, and over a copy of
/// them into which every planted bug was put, to be woken one at a time.
/// </summary>
internal sealed class Explored
{
    private static readonly string Root = FindRoot();
    private static readonly string Built = Path.Combine(Root, "artifacts/interleavings");
    private static readonly Lazy<Explored> Copy = new(Build);
    private readonly Assembly assembly;

    private Explored(string variant) =>
        assembly = new AssemblyLoadContext(variant).LoadFromAssemblyPath(
            Path.Combine(Built, variant, "rewritten", "StorageOs.Interleavings.dll"));

    /// <summary>The product.</summary>
    public static Explored Product { get; } = new("product");

    /// <summary>The copy, which is built when it is first asked for.</summary>
    public static Explored Planted => Copy.Value;

    /// <summary>The planted bugs; each says which scenario catches it.</summary>
    public static IReadOnlyList<Mutant> Mutants { get; } =
        Mutant.Read(Path.Combine(Root, "tests/Interleavings.Tests/planted.txt"));

    /// <summary>Every scenario by its name.</summary>
    public IEnumerable<string> Scenarios => assembly.GetTypes()
        .Where(static type => type.IsPublic
            && type.Namespace == "StorageOs.Interleavings.Scenarios")
        .SelectMany(static type => type.GetMethods(
            BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
        .Select(static method => $"{method.DeclaringType!.Name}.{method.Name}");

    /// <summary>One of them.</summary>
    public Action Scenario(string name)
    {
        string[] parts = name.Split('.');
        Type type = assembly.GetType($"StorageOs.Interleavings.Scenarios.{parts[0]}", true)!;
        return type.GetMethod(parts[1])!.CreateDelegate<Action>();
    }

    /// <summary>Wakes a planted bug; none by an empty name.</summary>
    public void Wake(string mutant) => assembly.GetType("StorageOs.Contracts.Runtime.Mutant", true)!
        .GetProperty("Awake")!.SetValue(null, mutant);

    private static Explored Build()
    {
        string copy = Path.Combine(Built, "source");
        if (Directory.Exists(copy))
        {
            Directory.Delete(copy, recursive: true);
        }

        foreach (string folder in new[] { "Kernel", "Plugins" })
        {
            foreach (string file in Directory.EnumerateFiles(
                Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories))
            {
                string relative = Path.GetRelativePath(Root, file);
                if (!relative.Split('/').Contains("obj"))
                {
                    string to = Path.Combine(copy, relative);
                    _ = Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                    File.Copy(file, to);
                }
            }
        }

        foreach (Mutant mutant in Mutants)
        {
            mutant.Edits.ForEach(edit => edit.Apply(copy, mutant.Name));
        }

        RunBuild(copy);
        return new("planted");
    }

    private static void RunBuild(string sources)
    {
        ProcessStartInfo start = new(
            "dotnet",
            [
                "build", Path.Combine(Root, "tests/Interleavings/Interleavings.csproj"), "--nologo",
                "-v", "quiet", "--no-restore", "--no-dependencies", $"-p:ProductRoot={sources}/",
                "-p:Variant=planted", "-p:RunAnalyzers=false", "-p:TreatWarningsAsErrors=false",
                "-p:EnforceCodeStyleInBuild=false",
            ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException(said + errors.Result);
        }
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "StorageOs.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("no StorageOs.sln above the tests");
    }
}
