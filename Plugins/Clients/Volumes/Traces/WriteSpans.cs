using System.Diagnostics;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes.Traces;

/// <summary>
/// Traced writes as spans of the source <c>StorageOs.Writes</c>: the write, and in it each step.
/// Made after the fact and on no reactor, and only when somebody listens.
/// </summary>
internal sealed class WriteSpans : IDisposable
{
    /// <summary>Name of the source.</summary>
    public const string SourceName = "StorageOs.Writes";

    private readonly ActivitySource source = new(SourceName);

    /// <inheritdoc/>
    public void Dispose() => source.Dispose();

    /// <summary>Tells whoever listens.</summary>
    public void Tell(TraceReport report)
    {
        if (source.HasListeners() && report.Writes.Count > 0)
        {
            _ = Task.Run(() => TellAll(report));
        }
    }

    private void TellAll(TraceReport report)
    {
        Activity.Current = null; // A write is nobody's child.
        foreach (TracedWrite write in report.Writes)
        {
            Tell(report, write);
        }
    }

    private void Tell(TraceReport report, TracedWrite write)
    {
        long from = write.Trace.Began;
        using Activity? whole = source.StartActivity(
            $"write {write.Volume}", ActivityKind.Server, parentContext: default,
            tags: Tags(write), startTime: report.Time(from));
        if (whole is null)
        {
            return; // Whoever listens does not want it.
        }

        foreach (WriteStep step in write.Trace.Steps)
        {
            using Activity? part = source.StartActivity(
                step.Name, ActivityKind.Internal, whole.Context, startTime: report.Time(from));
            part?.SetEndTime(report.Time(step.Ended).UtcDateTime);
            from = step.Ended;
        }

        whole.SetEndTime(report.Time(from).UtcDateTime);
    }

    private static KeyValuePair<string, object?>[] Tags(TracedWrite write) =>
    [
        new("storageos.volume", write.Volume),
        new("storageos.offset", write.Offset),
        new("storageos.length", write.Length),
        new("storageos.copies", TraceReport.StandOf(write)),
        new("storageos.lsn", (long)write.Lsn.Value),
        new("storageos.term", (long)write.Term.Value),
        new("storageos.session", write.Session?.ToString()),
    ];
}
