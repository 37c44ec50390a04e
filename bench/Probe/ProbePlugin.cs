using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Probe;

/// <summary>A client that measures when asked by a command.</summary>
public sealed class ProbePlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        registry.Services.AddSingleton<ProbeClient>();
        registry.Services.AddSingleton<IClient>(s => s.GetRequiredService<ProbeClient>());
        registry.Services.AddSingleton<PortProbe>();
        registry.Services.AddSingleton<TcpProbe>();
        registry.Services.AddSingleton<AppendProbe>();
        Add("bench-port", static s => s.GetRequiredService<PortProbe>().RunAsync);
        Add("bench-tcp", static s => s.GetRequiredService<TcpProbe>().RunAsync);
        Add("bench-passive", static s => s.GetRequiredService<AppendProbe>().BecomePassive);
        Add("bench-append", static s => s.GetRequiredService<AppendProbe>().RunAsync);
        Add("bench-allocated", static s => s.GetRequiredService<AppendProbe>().AllocatedAsync);
        Add("bench-reconnect", static s => s.GetRequiredService<ProbeClient>().ReconnectAsync);

        void Add(string name, Func<IServiceProvider, Func<JsonObject, ValueTask<JsonNode?>>> run) =>
            registry.Services.AddSingleton<IOperatorCommand>(s => new Command(name, run(s)));
    }

    private sealed class Command(string name, Func<JsonObject, ValueTask<JsonNode?>> run)
        : IOperatorCommand
    {
        public string Name => name;

        public ValueTask<JsonNode?> RunAsync(
            JsonObject arguments, CancellationToken cancellation) => run(arguments);
    }
}
