using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace Sample.ObjectGateway;

/// <summary>
/// Carries out what the store decides: sequences of reads, writes and flushes, many at once, each
/// with one request at a time. What is submitted in one turn of the reactor is committed together.
/// Reactor thread only.
/// </summary>
internal sealed class VolumeIo(IVolume volume, IReactor reactor)
{
    private readonly Stack<Request> spare = new();
    private bool commitIsDue;

    /// <summary>Sequences that are being carried out.</summary>
    public int Running { get; private set; }

    /// <summary>Told when none is any more.</summary>
    public Action? Idle { get; set; }

    /// <summary>Carries a sequence out as far as it goes.</summary>
    /// <param name="steps">The sequence.</param>
    /// <param name="done">Told how it ended: well, or with what its last request failed.</param>
    public void Run(IEnumerable<Io> steps, Action<VolumeStatus> done)
    {
        Running++;
        Request request = spare.TryPop(out Request? used) ? used : new(this);
        request.Begin(steps.GetEnumerator(), done);
    }

    private void Submit(Request request)
    {
        volume.Submit(request);
        if (!commitIsDue)
        {
            commitIsDue = true;
            reactor.Post(
                static state =>
                {
                    VolumeIo io = (VolumeIo)state!;
                    io.commitIsDue = false;
                    io.Commit();
                },
                this);
        }
    }

    private void Commit() => volume.Commit();

    private void End(Request request)
    {
        spare.Push(request);
        if (--Running == 0)
        {
            Idle?.Invoke();
        }
    }

    private sealed class Request(VolumeIo owner) : VolumeRequest
    {
        private IEnumerator<Io>? steps;
        private Action<VolumeStatus>? done;
        private VolumeStatus? completed;
        private bool submitting;

        public void Begin(IEnumerator<Io> its, Action<VolumeStatus> told)
        {
            (steps, done) = (its, told);
            GoOn(VolumeStatus.Ok);
        }

        public override void Complete(VolumeStatus status)
        {
            if (submitting)
            {
                completed = status; // Before the submit returned: who submits goes on.
            }
            else
            {
                GoOn(status);
            }
        }

        private void GoOn(VolumeStatus status)
        {
            while (status == VolumeStatus.Ok && steps!.MoveNext())
            {
                Take(steps.Current);
                (submitting, completed) = (true, null);
                owner.Submit(this);
                submitting = false;
                if (completed is not { } now)
                {
                    return;
                }

                status = now;
            }

            Action<VolumeStatus> told = done!;
            steps!.Dispose();
            (steps, done, Buffer) = (null, null, default);
            owner.End(this);
            told(status);
        }

        private void Take(Io io)
        {
            Operation = io.Kind switch
            {
                IoKind.Read => VolumeOperation.Read,
                IoKind.Write => VolumeOperation.Write,
                _ => VolumeOperation.Flush,
            };
            (Offset, Length, Buffer) = (io.Offset, io.Buffer.Length, io.Buffer);
            ForceUnitAccess = io.Durable;
        }
    }
}
