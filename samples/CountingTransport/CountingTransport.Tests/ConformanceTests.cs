using StorageOs.Conformance;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Plugin.Testing;

namespace CountingTransport.Tests;

/// <summary>What every transport does, bad flows included, around the shared memory of ours.</summary>
public sealed class ConformanceTests : TransportKit, IDisposable
{
    private readonly DirectoryInfo fabric = Directory.CreateTempSubdirectory("fabric-");

    public void Dispose() => fabric.Delete(recursive: true);

    [Fact]
    public void What_is_no_transport_is_refused_by_its_folder()
    {
        RefusedException refused = Assert.Throws<RefusedException>(() => Provider().Open(
            new("fc:010203", new Dictionary<string, string> { ["inner"] = "/nowhere" }),
            static () => { }));
        Assert.Equal("transport option inner, /nowhere", refused.Refusal.Subject);
    }

    protected override ITransportPair Open() => new ProviderPair(
        Provider(),
        new TransportSelfTest(
            Settings("fc:010203"), FirstPort: 1, Settings("fc:010204"), SecondPort: 2,
            UnknownAddress: "fc:0a0b0c"));

    private static WrappingProvider Provider() => new(new NoServices(), new Counts());

    private TransportSettings Settings(string address) =>
        new(address, new Dictionary<string, string> { ["fabric"] = fabric.FullName });

    private sealed class NoServices : IServiceProvider
    {
        public object? GetService(Type serviceType) => null;
    }
}
