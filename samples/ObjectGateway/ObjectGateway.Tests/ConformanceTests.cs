using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Plugin.Testing;

namespace Sample.ObjectGateway.Tests;

/// <summary>It does what every client does; the volume is there, in memory.</summary>
public sealed class ConformanceTests : ClientKit<GatewayPlugin>
{
    /// <inheritdoc/>
    protected override ClientPairOptions Options => On(new MemoryVolumes().Add(
        "vol0", 4 * Size.MiB));

    /// <inheritdoc/>
    protected override int Seeds => 10;

    /// <summary>Both nodes with these volumes, which may be formatted.</summary>
    internal static ClientPairOptions On(MemoryVolumes volumes) => new()
    {
        Settings = new Dictionary<string, string?> { ["format"] = "true" },
        Services = (services, node) => services.AddSingleton(provider =>
            volumes.On(node, provider.GetRequiredService<IReactor>())),
    };
}
