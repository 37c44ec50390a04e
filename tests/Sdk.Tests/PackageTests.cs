using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;

namespace StorageOs.Sdk.Tests;

/// <summary>
/// What a third party does: takes the packages, makes a plugin of a template, runs what every such
/// plugin must pass, and makes one file of it. Nothing of the repository is reached but packages.
/// </summary>
[Trait("Category", "Slow")]
[Collection(nameof(Workshop))]
public sealed class PackageTests(Workshop workshop)
{
    private static readonly string[] HostSupplies =
    [
        "StorageOs.Contracts.dll", "Microsoft.Extensions.DependencyInjection.Abstractions.dll",
        "Microsoft.Extensions.Configuration.Abstractions.dll",
        "Microsoft.Extensions.Logging.Abstractions.dll", "Microsoft.Extensions.Primitives.dll",
    ];

    [Fact]
    public void Contracts_are_packed_as_the_compiler_wrote_them()
    {
        using ZipArchive package = ZipFile.OpenRead(workshop.Package("Contracts"));
        Assert.NotNull(package.GetEntry("lib/net10.0/StorageOs.Contracts.xml"));
        Assert.NotNull(package.GetEntry("README.md"));
        using MemoryStream bytes = new();
        using (Stream stream = package.GetEntry("lib/net10.0/StorageOs.Contracts.dll")!.Open())
        {
            stream.CopyTo(bytes);
        }

        bytes.Position = 0;
        using PEReader reader = new(bytes);
        Assert.Equal(0, reader.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size);
        Assert.True(reader.PEHeaders.CorHeader.Flags.HasFlag(CorFlags.ILOnly));
        Assert.Equal(
            new Version(0, 0, 0, 0),
            reader.GetMetadataReader().GetAssemblyDefinition().Version);
    }

    [Theory]
    [InlineData("client", "Acme.Client", "acme.client")]
    [InlineData("transport", "my-transport 2", "my-transport-2")]
    [InlineData("witness", "acme-witness", "acme-witness")]
    public void A_template_builds_passes_its_kit_and_becomes_one_file(
        string kind, string name, string id)
    {
        string folder = workshop.New($"storageos-{kind}", name);
        string said = workshop.Dotnet(
            "test", $"{folder}/{name}.Tests", "--nologo", "-p:PackPluginOnBuild=true");
        Assert.Contains("Passed!", said, StringComparison.Ordinal);

        string file = Path.Combine(folder, name, "bin", $"{id}.1.0.0.sosplugin");
        Bundle bundle = Bundle.Read(file);
        Assert.Equal(id, $"{bundle.Manifest["id"]}");
        Assert.Equal(kind, $"{bundle.Manifest["kind"]}");
        Assert.Contains($"{name}.dll", bundle.Files.Keys);
        Assert.Empty(bundle.Files.Keys.Intersect(HostSupplies));
        Assert.All(bundle.Files, own => Assert.False(
            Encoding.Latin1.GetString(own.Value).Contains(folder, StringComparison.Ordinal),
            $"{own.Key} names {folder}"));
    }

    [Fact]
    public void A_manifest_is_made_checked_and_packed_alike_each_time()
    {
        string folder = workshop.New("storageos-client", "Acme.Bare");
        string project = Path.Combine(folder, "Acme.Bare");
        string file = Path.Combine(project, "Acme.Bare.csproj");
        File.Delete(Path.Combine(project, "plugin.json"));
        File.WriteAllText(file, File.ReadAllText(file)
            .Replace("<Version>1.0.0</Version>", """
                <Version>1.2.0-rc.1</Version>
                <PluginId>bare</PluginId>
                <PluginReactor>storage</PluginReactor>
                <PluginProvides>IVolumes;IOwnership</PluginProvides>
                """, StringComparison.Ordinal)
            .Replace("</ItemGroup>", """
                  <PackageReference Include="Microsoft.Extensions.Options" Version="10.0.12" />
                </ItemGroup>
                """, StringComparison.Ordinal));
        _ = workshop.Dotnet("build", project, "-t:PackPlugin");
        string bundle = Path.Combine(project, "bin", "bare.1.2.0-rc.1.sosplugin");
        Bundle first = Bundle.Read(bundle);
        Assert.Equal("Acme.Bare.Plugin", $"{first.Manifest["type"]}");
        Assert.Equal("storage", $"{first.Manifest["reactor"]}");
        Assert.Equal(2, first.Manifest["provides"]!.AsArray().Count);
        Assert.Equal("0.2", $"{first.Manifest["contracts"]!["min"]}");

        // A package's own is shipped, and what it needs of the host's is not.
        Assert.Contains("Microsoft.Extensions.Options.dll", first.Files.Keys);
        Assert.Empty(first.Files.Keys.Intersect(HostSupplies));

        byte[] once = File.ReadAllBytes(bundle);
        Directory.Delete(Path.Combine(project, "bin"), recursive: true);
        Directory.Delete(Path.Combine(project, "obj"), recursive: true);

        // Nor does what a build of another kind has left in the folder make a difference.
        _ = workshop.Dotnet("build", project, "-c", "Release");
        File.WriteAllText(Path.Combine(project, "bin/plugin/left-over.dll"), "");
        _ = workshop.Dotnet("publish", project, "-c", "Debug");
        Assert.Equal(once, File.ReadAllBytes(bundle));

        string copy = Path.Combine(project, "bin/plugin/Microsoft.Extensions.Primitives.dll");
        File.WriteAllBytes(copy, []);
        string said = workshop.DotnetFails(
            "build", project, "--no-restore", "-p:PluginKind=klient");
        Assert.Contains(
            "Microsoft.Extensions.Primitives.dll : error SOS003: expected to be left to the host",
            said, StringComparison.Ordinal);
        Assert.Contains(
            "Acme.Bare.csproj : error SOS002: manifest made of this project: key kind: expected "
            + "transport or client or witness, found \"klient\"",
            said, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(project, "bin/plugin/plugin.json")));
    }
}
