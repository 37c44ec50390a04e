using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes.Traces;

/// <summary>
/// <c>trace</c>: has the next writes to what this node serves traced, waits for them, and says
/// where their time went. With <c>stop</c>: has whoever waits be answered with what there is.
/// </summary>
internal sealed class TraceCommand(VolumesClient client, IReactor reactor)
    : IOperatorCommand, IDisposable
{
    private readonly WriteSpans spans = new();

    /// <inheritdoc/>
    public string Name => "trace";

    /// <inheritdoc/>
    public async ValueTask<JsonNode?> RunAsync(
        JsonObject arguments, CancellationToken cancellation)
    {
        TraceOrder order = TraceOrder.Read(arguments);
        if (arguments["stop"]?.GetValueKind() == System.Text.Json.JsonValueKind.True)
        {
            return new JsonObject { ["stopped"] = client.StopTracing() };
        }

        RequireServed(order.Volume);
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TraceReport report;
        client.BeginTracing(order, done);
        using (reactor.After(order.Time, () => done.TrySetResult()))
        using (cancellation.Register(() => done.TrySetCanceled(cancellation)))
        {
            try
            {
                await done.Task.ConfigureAwait(true);
            }
            finally
            {
                report = client.EndTracing();
            }
        }

        spans.Tell(report);
        return report.ToJson();
    }

    /// <inheritdoc/>
    public void Dispose() => spans.Dispose();

    private void RequireServed(string? name)
    {
        if (name is not null && client.All.All(volume => volume.Name != name))
        {
            throw new RefusedException(new Refusal(
                "trace", $"a volume, of {Names(client.All)}", name));
        }

        if (!client.All.Any(volume => volume.Served && (name ?? volume.Name) == volume.Name))
        {
            throw new RefusedException(new Refusal(
                "trace", "a volume that this node serves",
                name is null ? "none" : $"{name}, which it does not",
                "ask the partner; status says who serves"));
        }
    }

    private static string Names(IEnumerable<IVolume> volumes) =>
        string.Join(", ", volumes.Select(static volume => volume.Name));
}
