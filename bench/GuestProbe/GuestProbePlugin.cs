using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;

namespace StorageOs.GuestProbe;

/// <summary>A client that measures when asked by a command, and never spins.</summary>
public sealed class GuestProbePlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        registry.Services.AddSingleton<GuestProbeClient>();
        registry.Services.AddSingleton<IClient>(
            static s => s.GetRequiredService<GuestProbeClient>());
        registry.Services.AddSingleton<PortTimes>();
        registry.Services.AddSingleton<WriteTimes>();
        registry.Services.AddSingleton<FenceTimes>();
        Add("guest-port", static s => s.GetRequiredService<PortTimes>().RunAsync);
        Add("guest-write", static s => s.GetRequiredService<WriteTimes>().RunAsync);
        Add("guest-offer", static s => s.GetRequiredService<FenceTimes>().OfferAsync);
        Add("guest-writing", static s => s.GetRequiredService<FenceTimes>().IsWritingAsync);
        Add("guest-fence", static s => s.GetRequiredService<FenceTimes>().FenceAsync);
        Add("guest-stale", static s => s.GetRequiredService<FenceTimes>().WriteUntilFencedAsync);

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
