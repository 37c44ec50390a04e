using System.Text.Json.Nodes;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;
using StorageOs.Kernel.Tests;
using StorageOs.Pair.Tests;

namespace StorageOs.Skew.Tests;

/// <summary>
/// What manifests say of versions of Contracts, held against the contracts of the previous version.
/// </summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class ContractsTests : IDisposable
{
    private static readonly Version PreviousContracts =
        Version.Parse(Release.Previous.Version) is var all ? new(all.Major, all.Minor) : new();

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("skew-contracts-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void Our_plugins_that_say_so_use_nothing_that_the_previous_version_lacks()
    {
        ContractsMembers previous = new(Release.Previous.Contracts);
        PluginManifest[] ours =
        [
            .. PluginCatalog.Find([Release.Today.Plugins]).Select(static found => found.Good)
                .OfType<PluginManifest>().Where(SaysSo),
        ];
        Assert.Equal(
            ["loopback", "tcp", "verbs", "witness-file"],
            ours.Select(static plugin => plugin.Id).Order(StringComparer.Ordinal));
        Assert.All(ours, plugin => Assert.Null(
            ContractsUse.Problem(plugin, previous, PreviousContracts)));
    }

    [Fact]
    public void One_that_uses_what_came_since_is_found_by_the_members_name()
    {
        PluginBuilder.Put(folder.FullName, "bold", PluginBuilder.ClientPlugin(
            "bold", "Action<ClientGrant> use = static grant => Console.WriteLine(grant.Meeting);"
            + " return default;"));
        PluginManifest bold = Assert.Single(PluginCatalog.Find([folder.FullName])).Good!;
        Assert.Null(ContractsUse.Problem(bold));
        Assert.Equal(
            "plugin bold, assembly bold.dll: expected to use what Contracts 0.1 have, found "
            + "ClientGrant.Meeting; it needs a newer kernel; its maker should say so in "
            + "contracts.min",
            $"{ContractsUse.Problem(
                bold, new ContractsMembers(Release.Previous.Contracts), PreviousContracts)}");
    }

    [Fact]
    public void Plugins_of_the_previous_version_are_among_those_that_this_kernel_takes() =>
        Assert.InRange(
            PreviousContracts, ManifestReader.ContractsOldest, ManifestReader.ContractsVersion);

    [Fact]
    public void The_package_keeps_what_that_of_the_previous_version_promised()
    {
        (int code, string said) = Pack(static _ => { });
        Assert.True(code == 0, said);
    }

    [Fact]
    public void The_package_is_refused_when_it_does_not()
    {
        (int code, string said) = Pack(static contracts =>
        {
            Change(contracts, "? HighestCommon(", "? HighestShared(");
            Change(contracts, "    ClientNeeds Needs { get; }", """
                    ClientNeeds Needs { get; }

                    /// <summary>What nobody has implemented.</summary>
                    void Later();
                """);
        });
        Assert.True(code != 0, said);
        Assert.Contains("CP0002", said);
        Assert.Contains("VersionRange.HighestCommon(", said);
        Assert.Contains("CP0006", said);
        Assert.Contains("IClient.Later()", said);
    }

    private static bool SaysSo(PluginManifest plugin)
    {
        JsonNode manifest = JsonNode.Parse(
            File.ReadAllText(Path.Combine(plugin.Folder, ManifestReader.FileName)))!;
        return Version.Parse($"{manifest["contracts"]!["min"]}") <= PreviousContracts;
    }

    /// <summary>
    /// Packs a copy of the contracts with what was changed in it, and has it validated against the
    /// package of the previous version.
    /// </summary>
    private (int Code, string Said) Pack(Action<string> change)
    {
        foreach (string file in Directory.EnumerateFiles(PairRun.Root, "Directory.*")
            .Append(Path.Combine(PairRun.Root, "global.json"))
            .Append(Path.Combine(PairRun.Root, "sdk/Package.props"))
            .Concat(Directory.EnumerateFiles(
                Path.Combine(PairRun.Root, "Contracts"), "*", SearchOption.AllDirectories)))
        {
            string path = Path.GetRelativePath(PairRun.Root, file);
            if (!path.Split('/').Any(static part => part is "bin" or "obj"))
            {
                string copy = Path.Combine(folder.FullName, path);
                _ = Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(file, copy);
            }
        }

        string contracts = Path.Combine(folder.FullName, "Contracts");
        change(contracts);
        return Shell.Try(
            contracts, "dotnet", "pack", "--nologo", "-v", "quiet", "-p:AheadOfTime=false",
            "-p:RunAnalyzers=false", "-p:EnforceCodeStyleInBuild=false",
            $"-p:PackageValidationBaselinePath={Release.Previous.Package}");
    }

    private static void Change(string contracts, string text, string replacement)
    {
        string file = Assert.Single(
            Directory.GetFiles(contracts, "*.cs", SearchOption.AllDirectories),
            path => File.ReadAllText(path).Contains(text, StringComparison.Ordinal));
        File.WriteAllText(file, File.ReadAllText(file).Replace(text, replacement));
    }
}
