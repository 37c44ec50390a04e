using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace StorageOs.Management.Metrics;

/// <summary>
/// Sends the writes that somebody had traced to a collector that speaks OTLP: each as a span, with
/// one in it for each step. Whose source listens is told by modules; nobody else makes spans.
/// </summary>
internal sealed class TracesExport : IAsyncDisposable
{
    private const string AllOfOurs = "StorageOs.*";
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan OtlpTimeMax = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan EndTimeMax = TimeSpan.FromSeconds(2);
    private readonly ILogger log;
    private readonly TracerProvider provider;

    public TracesExport(string node, Uri otlp, ILogger log)
    {
        this.log = log;
        provider = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(ResourceBuilder.CreateEmpty()
                .AddService("storageos", serviceInstanceId: node))
            .AddSource(AllOfOurs)
            .AddOtlpExporter(exporter =>
            {
                exporter.Endpoint = otlp;
                exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
                exporter.TimeoutMilliseconds = (int)OtlpTimeMax.TotalMilliseconds;
                exporter.BatchExportProcessorOptions = new()
                {
                    ScheduledDelayMilliseconds = (int)Delay.TotalMilliseconds,
                };
            })
            .Build();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task ended = Task.Run(provider.Dispose); // Sends what was gathered last.
        try
        {
            await ended.WaitAsync(EndTimeMax);
        }
        catch (TimeoutException)
        {
            log.LogWarning("the collector does not take the last traces; they are not sent");
        }
    }
}
