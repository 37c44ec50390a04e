using StorageOs.Conformance;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Loopback;

namespace StorageOs.Transport.Tests;

/// <summary>Two Loopback transports on a fabric of their own under shared memory.</summary>
internal sealed class LoopbackPair : ITransportPair
{
    private readonly string fabric = TestFolder.Make();

    public LoopbackPair()
    {
        First = Open(FirstAddress);
        Second = Open(SecondAddress);
    }

    public string Fabric => fabric;

    public ITransport First { get; }

    public ITransport Second { get; }

    public string FirstAddress => "fc:010203";

    public string SecondAddress => "fc:010204";

    public string UnknownAddress => "fc:0a0b0c";

    public uint FirstPort => 1;

    public uint SecondPort => 2;

    public bool TryBreakSecond()
    {
        ((LoopbackTransport)Second).CurrentLink!.Close();
        return true;
    }

    public void Dispose()
    {
        First.Dispose();
        Second.Dispose();
        Directory.Delete(fabric, recursive: true);
    }

    public static TransportSettings Settings(string fabric, string address) =>
        new(address, new Dictionary<string, string> { ["fabric"] = fabric });

    private ITransport Open(string address) =>
        new LoopbackProvider().Open(Settings(fabric, address), static () => { });
}
