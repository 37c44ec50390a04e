using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Transports;

namespace CountingTransport;

/// <summary>The plugin's entry: a provider, and its count as a section of status.</summary>
public sealed class CountingPlugin : IPlugin
{
    public void Register(IPluginRegistry registry) => registry.Services
        .AddSingleton<Counts>()
        .AddSingleton<IStatusReporter>(services => services.GetRequiredService<Counts>())
        .AddSingleton<ITransportProvider>(services => new WrappingProvider(
            services, services.GetRequiredService<Counts>()));
}

/// <summary>
/// Counts what goes over the transport whose plugin's folder the option <c>inner</c> names; the
/// other options are that transport's.
/// </summary>
internal sealed class WrappingProvider(IServiceProvider services, Counts counts)
    : ITransportProvider
{
    public ITransport Open(TransportSettings settings, Action changed) =>
        Around(settings.Options).Open(Without(settings), changed);

    public IReadOnlyList<TransportFact> Inspect() =>
        Around(new Dictionary<string, string>()).Inspect();

    public TransportSelfTest? SelfTest(TransportSettings settings) =>
        Around(settings.Options).SelfTest(Without(settings)) is { } ends
            ? ends with { First = With(ends.First, settings), Second = With(ends.Second, settings) }
            : null;

    private CountingProvider Around(IReadOnlyDictionary<string, string> options) => new(
        InnerTransport.Load(options.GetValueOrDefault(InnerTransport.Option), services), counts);

    private static TransportSettings Without(TransportSettings settings) => settings with
    {
        Options = settings.Options.Where(static option => option.Key != InnerTransport.Option)
            .ToDictionary(),
    };

    private static TransportSettings With(TransportSettings end, TransportSettings settings) =>
        settings.Options.TryGetValue(InnerTransport.Option, out string? folder)
            ? end with
            {
                Options = new Dictionary<string, string>(end.Options)
                {
                    [InnerTransport.Option] = folder,
                },
            }
            : end;
}
