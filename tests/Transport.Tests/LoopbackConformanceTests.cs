using StorageOs.Conformance;

namespace StorageOs.Transport.Tests;

/// <summary>Loopback does what every transport must do.</summary>
public sealed class LoopbackConformanceTests
{
    public static TheoryData<string> Cases => [.. TransportConformance.Cases.Keys];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Conforms(string name)
    {
        using LoopbackPair pair = new();
        TransportConformance.Run(name, pair);
    }
}
