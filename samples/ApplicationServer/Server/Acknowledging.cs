using ApplicationServer.Shared;
using StorageOs.Contracts.Runtime;

namespace ApplicationServer;

/// <summary>
/// Decides which records may be acknowledged, and who waits for the partner to hold one. Any
/// thread.
/// </summary>
/// <param name="log">The records.</param>
/// <param name="alone">Whether one copy is enough while the partner is not there.</param>
/// <param name="mark">
/// A file that is there for as long as the partner is known to have records that the log lacks: who
/// goes on alone then gives their numbers anew, and the two differ for good.
/// </param>
internal sealed class Acknowledging(RecordLog log, bool alone, string mark) : IRecordsWatcher
{
    private readonly Lock gate = new();
    private readonly SortedList<ulong, TaskCompletionSource<bool>> waiting = [];
    private RecordsState state;
    private string why = "the node has not booted yet";
    private ulong held;
    private bool hasMet;
    private volatile bool lacks = File.Exists(mark);

    /// <summary>How the records stand to the partner's.</summary>
    public (RecordsState State, ulong Records, ulong Held, string Why) Standing
    {
        get
        {
            lock (gate)
            {
                return (state, log.Count, held, why);
            }
        }
    }

    /// <summary>Why a record would not be acknowledged now; null when it would.</summary>
    /// <param name="stands">Why the node or its client does not run; null when both do.</param>
    public Refusal? WhyNot(string? stands)
    {
        lock (gate)
        {
            if (log.Failure is { } failure)
            {
                return new Refusal(
                    "a record", "a disk that keeps it", failure,
                    "exchange the disk, and let the partner give back what it holds");
            }

            if (stands is null && state == RecordsState.Together)
            {
                return null;
            }

            // Who has no record of its own does not know whether there are any: the partner may
            // have those of an earlier life. And who is being told must hear it to the end, in
            // whichever of its lives.
            bool mayGoAlone = alone && !lacks && (log.Count > 0 || hasMet)
                && (stands is not null || state is RecordsState.Apart);
            return mayGoAlone ? null : new Refusal(
                "a record", "a partner that holds it, too",
                stands ?? (lacks && state is RecordsState.Apart
                    ? $"that it has records which are not here yet: {why}"
                    : $"records that are {state}: {why}"),
                alone ? "" : "with Journal:WithoutPartner set to alone one copy is enough");
        }
    }

    /// <summary>Appends a record if it may be acknowledged, in one step; not flushed yet.</summary>
    /// <returns>Its number; whether the partner holds it, once that is known.</returns>
    /// <exception cref="RefusedException">It may not: nothing was appended.</exception>
    /// <exception cref="IOException">The disk failed or is full: nothing was appended.</exception>
    public (ulong Sequence, Task<bool> Both) Append(ReadOnlySpan<byte> payload, string? stands)
    {
        lock (gate)
        {
            if (WhyNot(stands) is { } refusal)
            {
                throw new RefusedException(refusal);
            }

            ulong sequence = log.Append(payload);
            if (state is RecordsState.Apart or RecordsState.Differing)
            {
                return (sequence, Task.FromResult(false));
            }

            TaskCompletionSource<bool> both =
                new(TaskCreationOptions.RunContinuationsAsynchronously);
            waiting.Add(sequence, both);
            return (sequence, both.Task);
        }
    }

    /// <summary>Nobody waits for a record any more.</summary>
    public void Forget(ulong sequence)
    {
        lock (gate)
        {
            _ = waiting.Remove(sequence);
        }
    }

    /// <inheritdoc/>
    public void Changed(RecordsState state, ulong held, string why)
    {
        Mark(state);
        lock (gate)
        {
            (this.state, this.held, this.why) = (state, held, why);
            hasMet |= state is RecordsState.Together;
            while (waiting.Count > 0 && waiting.GetKeyAtIndex(0) <= held)
            {
                waiting.GetValueAtIndex(0).SetResult(true);
                waiting.RemoveAt(0);
            }

            if (state is RecordsState.Apart or RecordsState.Differing)
            {
                foreach (TaskCompletionSource<bool> one in waiting.Values)
                {
                    one.SetResult(false);
                }

                waiting.Clear();
            }
        }
    }

    // Before the first of them is taken, and after the last of them is flushed: a few milliseconds
    // of a disk, once each time the partner has more.
    private void Mark(RecordsState next)
    {
        if (next is RecordsState.Behind && !lacks)
        {
            StableFile.Open(mark).Dispose();
            lacks = true;
        }
        else if (next is RecordsState.Together && lacks)
        {
            log.Flush(log.Count);
            File.Delete(mark);
            lacks = false;
        }
    }
}
