using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace StorageOs.Sdk.Tests;

/// <summary>
/// What a third party does: takes the packages, makes a plugin of a template, runs what every such
/// plugin must pass, and makes one file of it. Nothing of the repository is reached but packages.
/// </summary>
[Trait("Category", "Slow")]
public sealed class PackageTests(Workshop workshop) : IClassFixture<Workshop>
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
    [InlineData("client")]
    [InlineData("transport")]
    [InlineData("witness")]
    public void A_template_builds_passes_its_kit_and_becomes_one_file(string kind)
    {
        string name = $"Acme.{char.ToUpperInvariant(kind[0])}{kind[1..]}";
        string id = name.ToLowerInvariant();
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
    }
}
