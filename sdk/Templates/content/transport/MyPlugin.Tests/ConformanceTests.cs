using StorageOs.Conformance;
using StorageOs.Contracts.Transports;
using StorageOs.Plugin.Testing;
using StorageOs.Transport.Loopback;

namespace MySpace.Tests;

/// <summary>What every transport does, bad flows included.</summary>
public sealed class ConformanceTests : TransportKit, IDisposable
{
    private readonly DirectoryInfo fabric = Directory.CreateTempSubdirectory("fabric-");

    public void Dispose() => fabric.Delete(recursive: true);

    protected override ITransportPair Open() => new ProviderPair(
        new CountingProvider(new LoopbackProvider(), new Counts()),
        new TransportSelfTest(
            Settings("fc:010203"), FirstPort: 1, Settings("fc:010204"), SecondPort: 2,
            UnknownAddress: "fc:0a0b0c"));

    private TransportSettings Settings(string address) =>
        new(address, new Dictionary<string, string> { ["fabric"] = fabric.FullName });
}
