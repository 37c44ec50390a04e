using StorageOs.Conformance;

namespace StorageOs.Transport.Tests;

/// <summary>Tcp does what every transport must do.</summary>
public sealed class TcpConformanceTests
{
    public static TheoryData<string> Cases => [.. TransportConformance.Cases.Keys];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Conforms(string name)
    {
        using TcpPair pair = new();
        TransportConformance.Run(name, pair);
    }
}
