using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace StorageOs.Tidy.Tests;

/// <summary>Who may know whom.</summary>
public sealed class ReferenceTests
{
    // The pure parts of the connection manager are told the time and hand out effects.
    private static readonly HashSet<string> ImpureNames =
    [
        "Task", "ValueTask", "Thread", "Monitor", "Lock", "Interlocked", "SemaphoreSlim",
        "DateTime", "DateTimeOffset", "Stopwatch", "TimeProvider", "Socket", "File", "FileStream",
        "Timer", "PeriodicTimer",
    ];

    [Fact]
    public void Contracts_references_abstractions_alone() => Assert.All(
        Items("Contracts/Contracts.csproj", "ProjectReference", "PackageReference"),
        name => Assert.Matches(@"^Microsoft\.Extensions\.\w+(\.\w+)?\.Abstractions$", name));

    [Fact]
    public void A_plugin_references_no_project_but_Contracts()
    {
        foreach (string project in Repository.Projects.Where(path => path.StartsWith("Plugins/")))
        {
            Assert.All(Items(project, "ProjectReference"), name => Assert.EndsWith(
                "Contracts.csproj", name, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void The_kernel_references_Contracts_and_the_suite_and_names_no_plugin()
    {
        Assert.Equal(
            ["../Contracts/Contracts.csproj", "../Conformance/Conformance.csproj"],
            Items("Kernel/Kernel.csproj", "ProjectReference"));
        Assert.All(
            Repository.Below("Kernel").Where(path => !path.StartsWith("Kernel/Cli/Transport/")),
            path => Assert.DoesNotContain(
                "StorageOs.Conformance", Repository.Read(path), StringComparison.Ordinal));
        Assert.Equal(
            ["../Contracts/Contracts.csproj"],
            Items("Conformance/Conformance.csproj", "ProjectReference"));
        string[] plugins = [.. Repository.Projects.Where(path => path.StartsWith("Plugins/"))
            .Select(path => "StorageOs." + Path.GetFileNameWithoutExtension(path))];
        Assert.NotEmpty(plugins);
        foreach (string source in Repository.Below("Kernel"))
        {
            string text = Repository.Read(source);
            Assert.All(plugins, plugin => Assert.False(
                text.Contains(plugin, StringComparison.Ordinal), $"{source} names {plugin}"));
        }
    }

    [Fact]
    public void What_third_parties_get_references_Contracts_and_the_suite_alone()
    {
        Assert.Equal(
            ["../../Contracts/Contracts.csproj"],
            Items("sdk/Plugin.Sdk/Plugin.Sdk.csproj", "ProjectReference"));
        Assert.Equal(
            ["../../Contracts/Contracts.csproj", "../../Conformance/Conformance.csproj"],
            Items("sdk/Plugin.Testing/Plugin.Testing.csproj", "ProjectReference"));
        Assert.Empty(Items("sdk/Templates/Templates.csproj", "ProjectReference"));
    }

    /// <summary>
    /// What embeds the kernel gets it without the packages that its command line alone uses.
    /// </summary>
    [Fact]
    public void The_kernel_without_its_command_line_does_without_that_ones_packages()
    {
        Assert.All(
            Uses("Spectre").Concat(Repository.Sources.Where(path => Repository.Parse(path)
                .DescendantNodes().OfType<UsingDirectiveSyntax>()
                .Any(use => use.Name?.ToString() is "System.CommandLine"))),
            path => Assert.StartsWith("Kernel/Cli/", path, StringComparison.Ordinal));
        Assert.Equal(
            ["Kernel/Program.cs"],
            Repository.Below("Kernel").Where(path => !path.StartsWith("Kernel/Cli/")
                && Repository.Read(path).Contains(
                    "StorageOs.Kernel.Cli", StringComparison.Ordinal)));
        // The node's program has these of a framework, which another program may lack.
        string[] ofFramework =
            ["Microsoft.Extensions.DependencyInjection", "Microsoft.Extensions.Hosting"];
        string[] packages = Items("sdk/Hosting/Hosting.csproj", "PackageReference");
        Assert.Equal(
            Items("Kernel/Kernel.csproj", "PackageReference").Concat(ofFramework)
                .Except(["Spectre.Console", "System.CommandLine"]).Order(),
            packages.Order());
        Assert.DoesNotContain(
            Uses("Microsoft.AspNetCore"),
            path => path.StartsWith("Kernel/", StringComparison.Ordinal));
    }

    [Fact]
    public void No_plugin_uses_the_kernels_namespace() => Assert.All(
        Repository.Below("Plugins"), source => Assert.DoesNotContain(
            "StorageOs.Kernel", Repository.Read(source), StringComparison.Ordinal));

    [Fact]
    public void MessagePack_lives_in_Wire_and_Stateless_in_the_table_and_the_step_that_fires_it()
    {
        Assert.All(Uses("MessagePack"), path => Assert.StartsWith("Kernel/Ccm/Wire/", path));
        Assert.Equal(
            ["Kernel/Ccm/CcmCore.cs", "Kernel/Ccm/Handshake.cs"], Uses("Stateless"));
    }

    [Fact]
    public void The_pure_parts_of_the_connection_manager_have_no_clock_task_lock_or_io()
    {
        List<string> found = [];
        foreach (string path in Repository.Below("Kernel/Ccm").Where(IsPure))
        {
            SyntaxNode root = Repository.Parse(path);
            found.AddRange(root.DescendantNodes().OfType<LockStatementSyntax>()
                .Select(node => $"{path}: lock"));
            found.AddRange(root.DescendantNodes().OfType<IdentifierNameSyntax>()
                .Where(name => ImpureNames.Contains(name.Identifier.Text))
                .Select(name => $"{path}: {name.Identifier.Text}"));
        }

        Assert.Empty(found);
    }

    private static bool IsPure(string path)
    {
        string[] edges = ["ConnectionManager", "IConnectionManager", "CorePlugin", "ClientEdge"];
        return !edges.Any(edge => Path.GetFileName(path).StartsWith(edge, StringComparison.Ordinal));
    }

    private static IEnumerable<string> Uses(string name) => Repository.Sources.Where(
        path => Repository.Parse(path).DescendantNodes().OfType<UsingDirectiveSyntax>()
            .Any(use => use.Name?.ToString().Split('.')[0] == name));

    private static string[] Items(string project, params string[] kinds) =>
        [.. XDocument.Parse(Repository.Read(project)).Descendants()
            .Where(node => kinds.Contains(node.Name.LocalName))
            .Select(node => (string)node.Attribute("Include")!)];

    [Fact]
    public void Each_alert_says_to_whoever_is_woken_by_it_what_to_do()
    {
        string[] alerts =
        [
            .. Repository.Read("Plugins/Clients/Management/Monitoring/alerts.yaml").Split('\n')
                .Where(static line => line.Contains("- alert: ", StringComparison.Ordinal))
                .Select(static line => line.Split(':')[1].Trim()),
        ];
        Assert.NotEmpty(alerts);
        string[] told =
        [
            .. Repository.Read("docs/OPERATIONS.md").Split("\n## Alerts")[1].Split("\n## ")[0]
                .Split('\n')
                .Where(static line => line.StartsWith("| `StorageOs", StringComparison.Ordinal))
                .Select(static line => line.Split('`')[1]),
        ];
        Assert.Equal(alerts, told);
    }
}
