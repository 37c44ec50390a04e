using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

/// <content>Operations under way: at most one on the register and one on the log.</content>
internal sealed partial class GroupCore
{
    private ulong lastNumber;
    private ulong registerNumber;
    private Term askedAt;
    private RegisterEntry? swapping;
    private Instant nextRead;
    private Instant retryAt;
    private Instant freshUntil;
    private ulong logNumber;
    private LogOperation logOperation;
    private Instant logRetryAt;

    private enum LogOperation
    {
        None,
        Fence,
        PushEqual,
        PushFormat,
        Copy,
        Drain,
    }

    /// <summary>
    /// S3: a read of the register has just been answered, and nothing was swapped since.
    /// </summary>
    private bool Fresh => now < freshUntil;

    private bool RegisterFree => registerNumber == 0 && now >= retryAt;

    private bool LogFree => logNumber == 0 && now >= logRetryAt;

    private bool Steady =>
        !Undecided && Known is { Sync: SyncState.InSync }
        && Role is LogRole.Mirrored or LogRole.Passive && session is not null;

    /// <summary>
    /// Reads the register when the next read is due: S9 while alone, and whatever is waited for.
    /// </summary>
    private void PollRegister()
    {
        if (now >= nextRead)
        {
            ReadNow();
        }
    }

    private void ReadNow()
    {
        if (RegisterFree)
        {
            registerNumber = ++lastNumber;
            askedAt = memory.HighestTerm;
            effects.Add(new ReadRegister(registerNumber));
        }
    }

    /// <summary>
    /// Swaps to what <paramref name="make"/> makes of the entry known, reading first when no read
    /// has just been answered (S3). Another undecided swap goes first.
    /// </summary>
    private void SwapTo(SwapIntent intent, Func<RegisterEntry, RegisterEntry> make)
    {
        if (!RegisterFree)
        {
            return;
        }

        if (!Fresh)
        {
            ReadNow();
            return;
        }

        RegisterEntry known = Known!;
        RegisterEntry next = make(known);
        Term term = next.Term > known.Term ? next.Term : known.Term.Next;
        SendSwap(next with { Term = term, SwapId = options.NewId() }, intent);
    }

    private void SendSwap(RegisterEntry next, SwapIntent intent)
    {
        // An undecided swap of the same term keeps its own purpose: it is what may still land.
        SwapIntent kept = Undecided && memory.IntentTerm == next.Term ? memory.Intent : intent;
        memory = memory with { IntentTerm = next.Term, Intent = kept };
        registerNumber = ++lastNumber;
        askedAt = memory.HighestTerm;
        swapping = next;
        freshUntil = now;
        effects.Add(new Swap(registerNumber, next, memory));
    }

    /// <summary>
    /// S3: an undecided swap is settled by a no-op swap on the same term, whoever wins it. What a
    /// read shows at the term before says nothing, for the swap may still land.
    /// </summary>
    private void Settle()
    {
        if (RegisterFree && Known is not null)
        {
            SwapTo(memory.Intent, static known => known);
        }
    }

    private ulong Begin(LogOperation operation)
    {
        Invariant.Require(logNumber == 0);
        logNumber = ++lastNumber;
        logOperation = operation;
        return logNumber;
    }

    private void EndLogOperation(bool cancel)
    {
        if (logNumber == 0)
        {
            return;
        }

        if (cancel && logOperation is LogOperation.Copy or LogOperation.Drain)
        {
            effects.Add(new Cancel(logNumber));
        }

        if (logOperation == LogOperation.Drain)
        {
            effects.Add(new Resume());
        }

        logNumber = 0;
        logOperation = LogOperation.None;
    }

    private void TakeLogDone(LogDone done)
    {
        LogOperation ended = logOperation;
        if (ended == LogOperation.Drain && done.Ok)
        {
            drained = true;
            logNumber = 0; // Requests stay held until the handover is decided.
            logOperation = LogOperation.None;
            return;
        }

        EndLogOperation(cancel: false);
        logRetryAt = done.Ok ? now : now + options.Retry;
        switch (ended)
        {
            case LogOperation.Fence:
                fenceFault = done.Ok ? "" : "the fence is not proven: " + done.Why;
                Role = done.Ok ? LogRole.Fenced : Role;
                break;
            case LogOperation.PushEqual when done.Ok:
                ServeWith(acknowledgeOnBoth: true);
                break;
            case LogOperation.PushFormat when done.Ok:
                TakeFormatted();
                break;
            case LogOperation.Copy when done.Ok:
                ServeWith(acknowledgeOnBoth: true); // S11: mirrored rules first, then InSync.
                break;
            case LogOperation.Copy:
                Alone();
                break;
            default:
                break; // A push or drain that failed is tried again or given up by the decision.
        }
    }

    private void TakeFormatted()
    {
        if (Known!.Sync == SyncState.New)
        {
            ServeWith(acknowledgeOnBoth: true);
            return;
        }

        ServeWith(acknowledgeOnBoth: false);
        effects.Add(new CopyAll(Begin(LogOperation.Copy)));
    }

    private void ServeWith(bool acknowledgeOnBoth)
    {
        mirrorFailed = false;
        failedSince = null;
        partnerHoldsAll = false; // Until the log says so under the rules that begin now.
        Role = acknowledgeOnBoth ? LogRole.Mirrored : LogRole.Resyncing;
        effects.Add(new ServeWithPartner(Known!.Term, acknowledgeOnBoth));
    }

    private void Alone()
    {
        Role = LogRole.Alone;
        effects.Add(new ServeAlone(Known!.Term));
    }
}
