using StorageOs.Conformance;
using StorageOs.Plugin.Testing;

namespace StorageOs.Transport.Tests;

/// <summary>Tcp does what every transport must do.</summary>
public sealed class TcpConformanceTests : TransportKit
{
    protected override ITransportPair Open() => new TcpPair();
}
