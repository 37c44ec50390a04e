using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using StorageOs.Management.Node;

namespace StorageOs.Management.Metrics;

/// <summary>
/// Gathers the node's instruments: for who scrapes <c>/metrics</c>, for a collector that speaks
/// OTLP when one is configured, and for the page.
/// </summary>
internal sealed class MetricsExport : IAsyncDisposable
{
    private const int RatesPeriodMs = 1000;
    private const string AllOfOurs = "StorageOs.*", Runtime = "System.Runtime";
    private static readonly TimeSpan OtlpPeriod = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan OtlpTimeMax = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan EndTimeMax = TimeSpan.FromSeconds(2);
    private readonly NodeView view;
    private readonly ILogger log;
    private readonly NodeGauges gauges = new();
    private readonly MeterProvider rates;
    private readonly CancellationTokenSource ends = new();
    private readonly Task refreshing;

    public MetricsExport(NodeView view, Uri? otlp, ILogger log)
    {
        (this.view, this.log) = (view, log);
        ResourceBuilder node = ResourceBuilder.CreateEmpty()
            .AddService("storageos", serviceInstanceId: view.Name);
        MeterProviderBuilder all = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(node)
            .AddMeter(AllOfOurs, Runtime)
            .AddPrometheusExporter(static exporter =>
                exporter.ScrapeResponseCacheDurationMilliseconds = 0);
        if (otlp is not null)
        {
            all.AddOtlpExporter((exporter, reader) =>
            {
                exporter.Endpoint = otlp;
                exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
                exporter.TimeoutMilliseconds = (int)OtlpTimeMax.TotalMilliseconds;
                reader.PeriodicExportingMetricReaderOptions = new()
                {
                    ExportIntervalMilliseconds = (int)OtlpPeriod.TotalMilliseconds,
                };
            });
        }

        Provider = all.Build();
        rates = Sdk.CreateMeterProviderBuilder().AddMeter(Rates.ExportMeter)
            .AddReader(new PeriodicExportingMetricReader(Rates, RatesPeriodMs)
            {
                TemporalityPreference = MetricReaderTemporalityPreference.Delta,
            }).Build();
        refreshing = otlp is null ? Task.CompletedTask : Task.Run(RefreshForOtlpAsync);
    }

    /// <summary>What the scraping endpoint reads.</summary>
    public MeterProvider Provider { get; }

    /// <summary>What the page is told each second.</summary>
    public Rates Rates { get; } = new();

    /// <summary>Has what is told of the node's status be of now.</summary>
    public async Task RefreshAsync(CancellationToken cancellation) =>
        gauges.Refresh((await view.StatusAsync(cancellation))["node"]);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await ends.CancelAsync();
        await refreshing;
        Task ended = Task.Run(() =>
        {
            rates.Dispose();
            Provider.Dispose(); // Sends what was gathered last.
        });
        try
        {
            await ended.WaitAsync(EndTimeMax);
        }
        catch (TimeoutException)
        {
            log.LogWarning("the collector does not take the last metrics; they are not sent");
        }

        gauges.Dispose();
        ends.Dispose();
    }

    private async Task RefreshForOtlpAsync()
    {
        using PeriodicTimer timer = new(OtlpPeriod);
        try
        {
            do
            {
                try
                {
                    await RefreshAsync(ends.Token);
                }
                catch (Exception failure) when (!ends.IsCancellationRequested)
                {
                    gauges.Refresh(null); // Nothing rather than what was.
                    log.LogWarning(
                        "the node does not tell its status: {Failure}", failure.Message);
                }
            }
            while (await timer.WaitForNextTickAsync(ends.Token));
        }
        catch (OperationCanceledException) when (ends.IsCancellationRequested)
        {
            log.LogDebug("metrics are not sent any more");
        }
    }
}
