using StorageOs.Conformance;
using StorageOs.Plugin.Testing;

namespace StorageOs.Transport.Tests;

/// <summary>Loopback does what every transport must do.</summary>
public sealed class LoopbackConformanceTests : TransportKit
{
    protected override ITransportPair Open() => new LoopbackPair();
}
