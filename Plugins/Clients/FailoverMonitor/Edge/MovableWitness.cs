using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Edge;

// A register keeps its id and its terms when it moves, so nothing that a node remembers of it
// becomes wrong. What must not happen is that one node swaps in the old place and the other in the
// new one. Four steps, each a swap like any other, so that every step has one winner and a late
// one changes nothing:
//
//   1. prepare  in the new place, up to one term beyond the old: entries that say Moved, which
//               nobody takes for a register;
//   2. seal     in the old place, from exactly the entry that was read: an entry that says Moved.
//               Nothing is swapped there any more. This is the move;
//   3. open     in the new place, one term further: the entry that was sealed, alive. Only who has
//               read the seal, or won it, does it, and whoever does, makes the same;
//   4. from then on the new place alone is asked.
//
// So an entry in the new place that is alive proves that the old one is sealed, and a crash after
// any step leaves something that either node finishes with its next read. A seal whose reply is
// lost may land later: it changes neither owner nor sync, and it loses when anything else has been
// swapped meanwhile.

/// <summary>
/// The register, wherever it is: in one witness, or, once it has moved, in the next. Each node has
/// one of these; they know nothing of each other but what the witnesses say.
/// </summary>
/// <param name="current">Where the register is, or was.</param>
/// <param name="coming">Where it may move to, or has; null for nowhere.</param>
/// <param name="newId">Makes an id that nobody else makes.</param>
/// <param name="patience">
/// How long the old place is waited for before the next one is asked, too; null for ever, as where
/// time is not the machine's.
/// </param>
internal sealed class MovableWitness(
    IWitness current, IWitness? coming, Func<Guid> newId, TimeSpan? patience = null) : IWitness
{
    /// <summary>How long an old place may take that may be gone by now.</summary>
    public static readonly TimeSpan OldPlacePatience = TimeSpan.FromSeconds(5);

    private const ulong StepsMax = 10_000;
    private const string NoNext = "no `nextWitness` of failover-monitor";
    private readonly bool[] moved = new bool[GroupId.Count];

    /// <inheritdoc/>
    public string Description => HasMoved ? coming!.Description : current.Description;

    /// <summary>Where the register could move to; null when nowhere.</summary>
    public string? NextDescription => HasMoved ? null : coming?.Description;

    /// <summary>Whether both groups' entries are in the next place, as far as read.</summary>
    public bool HasMoved => GroupId.All.All(IsMoved);

    /// <inheritdoc/>
    public async ValueTask<WitnessReading> ReadAsync(
        GroupId group, CancellationToken cancellation)
    {
        if (IsMoved(group))
        {
            return Living(
                await coming!.ReadAsync(group, cancellation).ConfigureAwait(false), coming);
        }

        Task<WitnessReading> asked = current.ReadAsync(group, cancellation).AsTask();
        while (!await EndsAsync(asked, cancellation).ConfigureAwait(false))
        {
            // One that is gone may answer nothing for ever, and hides no register that has moved.
            // Of one that is only slow the answer counts, however late.
            WitnessReading next =
                await coming!.ReadAsync(group, cancellation).ConfigureAwait(false);
            if (IsLiving(next.Entry))
            {
                Volatile.Write(ref moved[group.Value], true);
                return next;
            }
        }

        WitnessReading here = await asked.ConfigureAwait(false);
        if (IsLiving(here.Entry) || coming is null)
        {
            return Living(here, current);
        }

        // Sealed, missing or silent. A living entry in the next place says that it is there.
        WitnessReading there = await coming.ReadAsync(group, cancellation).ConfigureAwait(false);
        if (IsLiving(there.Entry))
        {
            Volatile.Write(ref moved[group.Value], true);
            return there;
        }

        if (here.Entry is { } seal)
        {
            return there.Entry is { } prepared && prepared.Term == seal.Term
                && prepared.RegisterId == seal.RegisterId
                ? await OpenAsync(seal, cancellation).ConfigureAwait(false)
                : Unavailable($"the register has moved to {coming.Description}: {Said(there)}");
        }

        return here.Outcome == ReadOutcome.Missing && there.Outcome == ReadOutcome.Unavailable
            ? Unavailable($"nothing in {current.Description}; {coming.Description}: {there.Detail}")
            : here;
    }

    /// <inheritdoc/>
    public async ValueTask<SwapOutcome> TrySwapAsync(
        GroupId group, RegisterEntry next, CancellationToken cancellation)
    {
        IWitness place = IsMoved(group) ? coming! : current;
        SwapOutcome outcome =
            await place.TrySwapAsync(group, next, cancellation).ConfigureAwait(false);
        if (outcome.Current is not { Sync: SyncState.Moved })
        {
            return outcome;
        }

        // Sealed since it was read. Lost stays lost, against what lives in the next place.
        WitnessReading reading = await ReadAsync(group, cancellation).ConfigureAwait(false);
        return outcome.Result == SwapResult.Lost && reading.Entry is { } living
            && living.Term >= next.Term
            ? new SwapOutcome(SwapResult.Lost, living)
            : new SwapOutcome(SwapResult.Undecided, null, reading.Detail);
    }

    /// <summary>
    /// Moves a group's entry, or goes on with a move that was begun; may be asked again at any
    /// time, by either node.
    /// </summary>
    /// <returns>Empty when the register is in the next place; else why it is not yet.</returns>
    public async ValueTask<string> MoveAsync(GroupId group, CancellationToken cancellation)
    {
        WitnessReading reading = await ReadAsync(group, cancellation).ConfigureAwait(false);
        if (IsMoved(group))
        {
            return "";
        }

        if (coming is null)
        {
            return NoNext;
        }

        if (reading.Entry is not { Sync: SyncState.InSync } entry)
        {
            return $"only what is InSync moves, found {Said(reading)}";
        }

        RegisterEntry seal = entry with
        {
            Term = entry.Term.Next,
            Sync = SyncState.Moved,
            StaleNode = 0,
            StaleSince = default,
        };
        string unprepared = await PrepareAsync(seal, cancellation).ConfigureAwait(false);
        if (unprepared.Length > 0)
        {
            return unprepared;
        }

        SwapOutcome outcome = await current.TrySwapAsync(
            group, seal with { SwapId = newId() }, cancellation).ConfigureAwait(false);
        reading = outcome.Result == SwapResult.Won
            ? await OpenAsync(seal, cancellation).ConfigureAwait(false)
            : await ReadAsync(group, cancellation).ConfigureAwait(false);
        return IsMoved(group) ? ""
            : outcome.Result == SwapResult.Lost ? "the register has changed meanwhile"
            : $"the move is undecided (S3): {outcome.Detail} {reading.Detail}".TrimEnd();
    }

    /// <summary>
    /// Why a group's entry could not move, or be followed by this node; empty when it could.
    /// </summary>
    public async ValueTask<string> CheckAsync(GroupId group, CancellationToken cancellation)
    {
        WitnessReading here = await ReadAsync(group, cancellation).ConfigureAwait(false);
        if (IsMoved(group))
        {
            return "";
        }

        if (coming is null)
        {
            return NoNext;
        }

        WitnessReading there = await coming.ReadAsync(group, cancellation).ConfigureAwait(false);
        return here.Entry is null ? $"{current.Description}: {Said(here)}"
            : there.Outcome == ReadOutcome.Unavailable ? $"{coming.Description}: {there.Detail}"
            : "";
    }

    /// <summary>The witnesses are their plugins' own.</summary>
    public void Dispose()
    {
    }

    /// <summary>
    /// Waits for the old place; false when the next one is worth a look meanwhile.
    /// </summary>
    private async ValueTask<bool> EndsAsync(Task asked, CancellationToken cancellation)
    {
        if (coming is null || patience is not { } limit)
        {
            return true;
        }

        try
        {
            await asked.WaitAsync(limit, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return asked.IsCompleted;
        }
    }

    private async ValueTask<string> PrepareAsync(
        RegisterEntry seal, CancellationToken cancellation)
    {
        WitnessReading found =
            await coming!.ReadAsync(seal.Group, cancellation).ConfigureAwait(false);
        bool usable = found.Outcome == ReadOutcome.Missing
            || (found.Entry is { Sync: SyncState.Moved } left
                && left.RegisterId == seal.RegisterId && left.Term <= seal.Term);
        if (!usable)
        {
            return $"{coming.Description}: expected nothing there or a move that was begun, found"
                + $" {Said(found)}";
        }

        ulong term = found.Entry?.Term.Value ?? 0;
        if (seal.Term.Value - term > StepsMax)
        {
            return $"expected at most {StepsMax} terms to go, found {seal.Term.Value - term}";
        }

        while (term < seal.Term.Value)
        {
            SwapOutcome outcome = await coming.TrySwapAsync(
                seal.Group, seal with { Term = new Term(++term), SwapId = newId() }, cancellation)
                .ConfigureAwait(false);
            if (outcome.Result != SwapResult.Won)
            {
                return $"{coming.Description}: {outcome.Result} at term {term} {outcome.Detail}"
                    .TrimEnd();
            }
        }

        return "";
    }

    private async ValueTask<WitnessReading> OpenAsync(
        RegisterEntry seal, CancellationToken cancellation)
    {
        RegisterEntry living = seal with
        {
            Term = seal.Term.Next,
            Sync = SyncState.InSync,
            SwapId = newId(),
        };
        SwapOutcome outcome = await coming!.TrySwapAsync(seal.Group, living, cancellation)
            .ConfigureAwait(false);
        RegisterEntry? there = outcome.Result == SwapResult.Undecided ? null : outcome.Current;
        if (!IsLiving(there))
        {
            return Unavailable(
                $"the register is moving to {coming.Description}: {outcome.Detail}".TrimEnd());
        }

        Volatile.Write(ref moved[seal.Group.Value], true);
        return new WitnessReading(ReadOutcome.Found, there);
    }

    private bool IsMoved(GroupId group) => Volatile.Read(ref moved[group.Value]);

    private static bool IsLiving(RegisterEntry? entry) =>
        entry is { Sync: not SyncState.Moved };

    /// <summary>An entry that says Moved is no register's, whoever is asked.</summary>
    private static WitnessReading Living(WitnessReading reading, IWitness place) =>
        reading.Entry is { Sync: SyncState.Moved }
            ? Unavailable(
                $"the register has moved away from {place.Description}, or is still to come:"
                + " name the witness it is in")
            : reading;

    private static WitnessReading Unavailable(string detail) =>
        new(ReadOutcome.Unavailable, null, detail);

    private static string Said(WitnessReading reading) =>
        reading.Entry is { } entry ? $"{entry.Sync} at term {entry.Term} of {entry.RegisterId}"
        : reading.Outcome == ReadOutcome.Missing ? "nothing"
        : reading.Detail;
}
