using System.Runtime.CompilerServices;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Emit;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Kernel.Tests;

/// <summary>Builds real plugins out of a few lines of source, good and broken ones.</summary>
internal static class PluginBuilder
{
    private const string Usings = """
        using System; using System.Threading; using System.Threading.Tasks;
        using System.Collections.Generic; using System.Text.Json.Nodes;
        using System.Runtime.InteropServices; using Microsoft.Extensions.Logging;
        using Microsoft.Extensions.DependencyInjection;
        using StorageOs.Contracts.Plugins; using StorageOs.Contracts.Clients;
        using StorageOs.Contracts.Runtime; using StorageOs.Contracts.Services;
        using StorageOs.Contracts.Transports;

        """;

    // What a project gets without asking.
    private const string Implicit = """
        global using System; global using System.Collections.Generic; global using System.IO;
        global using System.Linq; global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private static readonly string OurContracts = typeof(IPlugin).Assembly.Location;

    private static readonly MetadataReference[] References =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(':')
            .Where(static path => path != OurContracts)
            .Select(path => MetadataReference.CreateFromFile(path)),
    ];

    /// <summary>A plugin that registers what <paramref name="register"/> says.</summary>
    internal static string Entry(string register) => $$"""
        public sealed class Entry : IPlugin
        {
            public void Register(IPluginRegistry registry) { {{register}} }
        }

        """;

    /// <summary>A client named <paramref name="name"/> whose start does as told.</summary>
    internal static string Client(string name, string start = "return default;") => $$"""
        public sealed class TheClient(IReactor reactor) : IClient
        {
            public ClientNeeds Needs { get; } =
                new("{{name}}", new VersionRange(1, 1), [], []);
            public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
            { _ = reactor; {{start}} }
            public void PartnerReady(ClientGrant grant) { }
            public void PartnerLost(SessionId session, SessionEnd end) { }
            public ValueTask StopAsync(CancellationToken deadline) => default;
        }

        """;

    /// <summary>A whole client plugin.</summary>
    internal static string ClientPlugin(string name, string start = "return default;") =>
        Entry("registry.Services.AddSingleton<IClient, TheClient>();") + Client(name, start);

    /// <summary>
    /// A client that has a veto while there is a file named by a mark and its node.
    /// </summary>
    internal static string Vetoing(string name, string mark, string why) => ClientPlugin(name, $$"""
        IDisposable? veto = null;
        reactor.Every(TimeSpan.FromMilliseconds(20), () =>
        {
            bool busy = System.IO.File.Exists("{{mark}}-" + node.Name);
            if (busy && veto is null)
            {
                veto = vetoes.Veto(null, "{{why}}", "wait for its end");
            }
            else if (!busy)
            {
                veto?.Dispose();
                veto = null;
            }
        });
        return default;
        """).Replace(
            "TheClient(IReactor reactor)",
            "TheClient(IReactor reactor, NodeInfo node, IHandoverVetoes vetoes)",
            StringComparison.Ordinal);

    /// <summary>Puts a plugin into its folder below <paramref name="directory"/>.</summary>
    internal static void Put(
        string directory, string id, string source, string kind = "client", string more = "",
        string? reactor = null, string version = "1.0.0", string? contracts = null)
    {
        string folder = Path.Combine(directory, id);
        Directory.CreateDirectory(folder);
        Compile(
            Path.Combine(folder, id + ".dll"), id, [Usings + source], contracts ?? OurContracts);
        reactor ??= kind == "transport" ? "kernel" : "own";
        File.WriteAllText(Path.Combine(folder, "plugin.json"), $$"""
            {
              "id": "{{id}}", "version": "{{version}}", "kind": "{{kind}}", "assembly": "{{id}}.dll",
              "type": "Entry", "contracts": { "min": "0.1", "max": "0.1" },
              "reactor": "{{reactor}}"{{more}}
            }
            """);
    }

    /// <summary>The transport that every node of these tests is configured with.</summary>
    internal static void PutTransport(string directory, string id = "silent") => Put(
        directory, id,
        Entry("registry.Services.AddSingleton<ITransportProvider, Provider>();") + """
        public sealed class Provider : ITransportProvider
        {
            public ITransport Open(TransportSettings settings, Action changed) =>
                throw new NotSupportedException();
        }
        """,
        "transport");

    /// <summary>A witness that knows nothing.</summary>
    internal static void PutWitness(string directory, string id, string more = "") => Put(
        directory, id,
        Entry(
            "registry.Services.AddSingleton<IWitness, Nowhere>(); registry.Provide<IWitness>();")
        + """
        public sealed class Nowhere : IWitness
        {
            public string Description => "THE-ID";
            public ValueTask<WitnessReading> ReadAsync(GroupId group, CancellationToken c) =>
                new(new WitnessReading(ReadOutcome.Missing, null));
            public ValueTask<SwapOutcome> TrySwapAsync(
                GroupId group, RegisterEntry next, CancellationToken c) =>
                new(new SwapOutcome(SwapResult.Undecided, null));
            public void Dispose() { }
        }

        """.Replace("THE-ID", id),
        "witness", ", \"provides\": [\"IWitness\"]" + more, "storage");

    /// <summary>Builds Contracts of another version: their sources with one thing changed.</summary>
    internal static string Contracts(string folder, string text, string replacement)
    {
        Directory.CreateDirectory(folder);
        string file = Path.Combine(folder, "StorageOs.Contracts.dll");
        string root = Path.Combine(Path.GetDirectoryName(SourceFolder())!, "..", "Contracts");
        string[] sources =
        [
            .. Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
                .Where(static path => !path.Split('/').Any(static part => part is "bin" or "obj"))
                .Select(File.ReadAllText),
        ];
        Assert.Single(sources, source => source.Contains(text, StringComparison.Ordinal));
        string[] changed =
            [.. sources.Select(source => source.Replace(text, replacement)), Implicit];
        Compile(file, "StorageOs.Contracts", changed, null);
        return file;
    }

    private static void Compile(
        string path, string name, IReadOnlyList<string> sources, string? contracts)
    {
        CSharpCompilation compilation = CSharpCompilation.Create(
            name, sources.Select(static source => CSharpSyntaxTree.ParseText(source)),
            contracts is null
                ? References : [.. References, MetadataReference.CreateFromFile(contracts)],
            new CSharpCompilationOptions(
                OutputKind.DynamicallyLinkedLibrary,
                nullableContextOptions: contracts is null
                    ? NullableContextOptions.Enable : NullableContextOptions.Disable));
        EmitResult result = compilation.Emit(path);
        Assert.True(result.Success, string.Join("\n", result.Diagnostics));
    }

    private static string SourceFolder([CallerFilePath] string file = "") =>
        Path.GetDirectoryName(file)!;
}
