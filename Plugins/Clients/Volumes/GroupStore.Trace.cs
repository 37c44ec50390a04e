using StorageOs.Contracts.Services;
using StorageOs.Volumes.Traces;

namespace StorageOs.Volumes;

/// <summary>This part: what a traced write is told of the group's part of its way.</summary>
internal sealed partial class GroupStore
{
    private const string HeldStep = "held during a move";
    private const string FullStep = "waited for room in the log";
    private const string DurableStep = "made durable on both nodes";
    private readonly WriteTraces traces;

    /// <summary>See <see cref="IVolume.Tracing"/>.</summary>
    public bool Tracing => traces.Armed;

    /// <summary>See <see cref="IVolume.BeginTrace"/>.</summary>
    public WriteTrace? BeginTrace(Volume volume, long began) =>
        traces.Begin(volume.Name, began, isVolumes: false);

    private void TraceSubmitted(Volume volume, VolumeRequest request)
    {
        if (request.Trace is { } old && traces.Of(old) is null)
        {
            request.Trace = null; // Of an order that is over; its user may know of no traces.
        }

        if (request.Trace is null && request.Operation == VolumeOperation.Write)
        {
            request.Trace = traces.Begin(volume.Name, began: 0, isVolumes: true);
        }

        if (request.Trace is { } trace && traces.Of(trace) is { } write)
        {
            (write.Offset, write.Length) = (request.Offset, request.Length);
            write.ForceUnitAccess = request.ForceUnitAccess;
            trace.Mark("handed to the volume");
        }
    }

    private void TraceAppended(VolumeRequest request)
    {
        WriteTrace trace = request.Trace!;
        trace.Mark("record built in the local log");
        if (traces.Of(trace) is { } write)
        {
            (write.Lsn, write.Term) = (request.WaitsFor, log.Summary.LastTerm);
            log.Follow(trace, request.WaitsFor);
        }
    }

    private void TraceAnswered(VolumeRequest request, VolumeStatus status)
    {
        WriteTrace trace = request.Trace!;
        if (traces.Of(trace) is not { } write)
        {
            return;
        }

        (write.Status, write.Role, write.Session) = (status, log.Role, traces.Session);
        trace.Mark("acknowledged to the client");
        if (status == VolumeStatus.NotOwner)
        {
            trace.Drop(); // S8: it is never answered.
        }

        if (write.IsVolumes)
        {
            trace.End();
            request.Trace = null;
        }
    }
}
