using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.NvramMirror;

/// <summary>This part: appending, reading, and what it means for whoever waits.</summary>
internal sealed partial class GroupLog
{
    private readonly Queue<Proof> proofs = new(64);
    private readonly FollowedWrites followed = new();
    private ulong committed; // Published in the own copy.
    private ulong freedHead; // Space before it may be used again (L3).
    private ulong marked; // Every record before it is in the record of changes.
    private DiskFacts disk;
    private bool refusedAsFull;
    private Notice pending;
    private bool notifying;

    /// <summary>What is still to be told, in one turn, after the state is whole again.</summary>
    [Flags]
    private enum Notice
    {
        /// <summary>Nothing.</summary>
        None = 0,

        /// <summary><see cref="GroupLog.Reset"/>.</summary>
        Reset = 1,

        /// <summary><see cref="GroupLog.Advanced"/>.</summary>
        Advanced = 2,

        /// <summary><see cref="GroupLog.Changed"/>.</summary>
        Changed = 4,

        /// <summary><see cref="GroupLog.SpaceFreed"/>.</summary>
        SpaceFreed = 8,

        /// <summary>Proofs that can be answered.</summary>
        Proofs = 16,
    }

    /// <inheritdoc/>
    public Lsn Flushed => new(facts?.Flushed ?? 0);

    /// <inheritdoc/>
    public Lsn FlushedOnBoth => Role == LogRole.Mirrored || Role == LogRole.Frozen
        ? new(Math.Min(Flushed.Value, partnerFlushed))
        : Flushed;

    /// <inheritdoc/>
    public AppendOutcome TryAppend(in LogEntry entry, ReadOnlySpan<byte> payload, out Lsn lsn)
    {
        lsn = default;
        if (!IsOwner)
        {
            return AppendOutcome.NotOwner;
        }

        int total = RecordCodec.TotalBytes(payload.Length);
        Invariant.Require(total <= capacity / LogLayout.RecordsPerLogMin);
        int position = (int)(cursor.End % (ulong)capacity);
        int pad = total > capacity - position ? capacity - position : 0;
        ulong used = cursor.End - freedHead;
        // L4: a full log pushes back. Before a generation is started nothing is appended (L2).
        if (!generationStarted
            || used + (ulong)(pad + total + LogLayout.ReserveBytes) > (ulong)capacity)
        {
            refusedAsFull = true;
            metrics?.Full();
            return AppendOutcome.Full;
        }

        if (pad != 0)
        {
            AppendControl(ControlKind.Pad, cursor.Generation);
        }

        RecordHeader record = new()
        {
            Kind = entry.Kind,
            Volume = entry.Volume,
            Offset = entry.Offset,
            Length = entry.Length,
            TotalBytes = total,
            Generation = cursor.Generation,
        };
        Put(ref record, payload);
        metrics?.Appended(total);
        lsn = new Lsn(cursor.End);
        return AppendOutcome.Accepted;
    }

    /// <inheritdoc/>
    public void Commit()
    {
        if (committed == cursor.End && !mirroring)
        {
            return;
        }

        Publish();
        if (mirroring)
        {
            Pump();
            host.Poll();
        }

        if (Role is LogRole.Alone or LogRole.Resyncing)
        {
            Acknowledge(AcknowledgeLimit());
        }

        Notify();
    }

    /// <inheritdoc/>
    public void Follow(WriteTrace trace, Lsn lsn) => followed.Add(trace, lsn.Value);

    /// <inheritdoc/>
    public bool TryRead(Lsn position, out LogRecord record, out Lsn next)
    {
        record = default;
        next = position;
        ulong end = Role == LogRole.Passive ? acked : cursor.End;
        while (region is not null && next.Value >= head && next.Value < end)
        {
            // While the partner can write here, what is read is checked anew.
            bool good = needsReclaim
                ? RecordCodec.TryRead(Ring, next.Value, out RecordHeader found)
                : RecordCodec.TryReadHeader(Ring, next.Value, out found);
            if (!good || found.End > end)
            {
                // What is acknowledged did chain when it was followed (L2).
                _ = Role == LogRole.Passive && Damage($"the record at {next} is no more");
                return false;
            }

            next = new Lsn(found.End);
            if (found.Control == ControlKind.None)
            {
                int at = LogLayout.HeaderBytes + (int)(found.Lsn % (ulong)capacity);
                record = new LogRecord(
                    new Lsn(found.Lsn),
                    next,
                    new Term(found.Term),
                    new LogEntry(found.Kind, found.Volume, found.Offset, found.Length),
                    region.Memory.Slice(at + RecordHeader.Bytes, found.PayloadLength));
                return true;
            }
        }

        return false;
    }

    /// <inheritdoc/>
    public void SetFlushed(Lsn lsn)
    {
        Invariant.Require(lsn.Value <= acked);
        if (facts is null || lsn.Value <= facts.Flushed)
        {
            return;
        }

        facts.Flushed = lsn.Value;
        facts.PartnerFlushed = partnerFlushed;
        facts.Save(sync: false); // Replaying again what was flushed does no harm.
        PublishPage();
        MoveHead();
        Notify();
    }

    /// <inheritdoc/>
    public void SetMarked(Lsn lsn)
    {
        // A flush may end after the log was closed.
        if (region is not null && lsn.Value > marked)
        {
            marked = lsn.Value;
            MoveHead();
            Notify();
        }
    }

    /// <inheritdoc/>
    public void TellDisk(DiskFacts facts)
    {
        disk = facts;
        if (region is not null)
        {
            PublishPage();
        }
    }

    /// <inheritdoc/>
    public void Prove(Action<object, LogOutcome> done, object state)
    {
        if (Role is LogRole.Alone or LogRole.Resyncing)
        {
            done(state, LogOutcome.Ok);
        }
        else if (!IsOwner)
        {
            done(state, LogOutcome.NotOwner);
        }
        else
        {
            beatWanted = beatsPosted + 1;
            proofs.Enqueue(new Proof(done, state, beatWanted));
            if (Role == LogRole.Mirrored)
            {
                Publish();
                Pump();
                host.Poll();
            }
        }
    }

    /// <summary>What was marked before may have been ended by an InSync since: it counts
    /// anew.</summary>
    private void TurnAlone()
    {
        marked = Role == LogRole.Alone ? marked : 0;
        Role = LogRole.Alone;
    }

    private void Put(ref RecordHeader record, ReadOnlySpan<byte> payload)
    {
        record.Lsn = cursor.End;
        record.Term = term.Value;
        record.PreviousCrc = cursor.Crc;
        int position = (int)(cursor.End % (ulong)capacity);
        uint crc = RecordCodec.Write(Ring[position..], ref record, payload);
        cursor = new(record.End, crc, record.Generation, record.Term, record.Lsn, true);
    }

    private void AppendControl(ControlKind kind, ulong generation)
    {
        int room = capacity - (int)(cursor.End % (ulong)capacity);
        Invariant.Require(
            cursor.End - freedHead + RecordHeader.Bytes <= (ulong)capacity);
        RecordHeader record = new()
        {
            Kind = LogEntryKind.None,
            Control = kind,
            TotalBytes = kind == ControlKind.Pad ? room : RecordHeader.Bytes,
            Generation = generation,
        };
        Put(ref record, default);
    }

    /// <summary>Publishes the tail in the own copy, after the records.</summary>
    private void Publish()
    {
        committed = cursor.End;
        LogLayout.WriteWord(Copy, LogLayout.TailWord, committed);
        metrics?.Published();
        if (followed.Any)
        {
            followed.Published(committed);
        }
    }

    /// <summary>How far may be acknowledged: both copies under mirrored rules, else the own
    /// one.</summary>
    private ulong AcknowledgeLimit() => Role switch
    {
        LogRole.Mirrored => Math.Min(mirrored, committed),
        LogRole.Alone or LogRole.Resyncing => committed,
        _ => acked, // S1: frozen acknowledges nothing.
    };

    private void Acknowledge(ulong upTo)
    {
        if (upTo > acked)
        {
            acked = upTo;
            LogLayout.WriteWord(Copy, LogLayout.AckedWord, acked);
            pending |= Notice.Advanced;
            if (followed.Any)
            {
                followed.Acknowledged(acked);
            }
        }
    }

    /// <summary>
    /// Moves the head over records that no disk needs any more. One is kept, of those that the
    /// partner has, too: whoever takes over reads the generation from it (L2).
    /// </summary>
    private void MoveHead()
    {
        if (Role is not (LogRole.Alone or LogRole.Mirrored or LogRole.Resyncing))
        {
            return;
        }

        ulong limit = Math.Min(Flushed.Value, acked == 0 ? 0 : acked - 1);
        limit = mirroring ? Math.Min(limit, partnerFlushed) : limit;
        limit = Role == LogRole.Mirrored ? limit : Math.Min(limit, marked); // L5, S9.
        ulong to = WalkTo(limit);
        if (to == head)
        {
            return;
        }

        head = to;
        LogLayout.WriteWord(Copy, LogLayout.HeadWord, head);
        if (mirroring)
        {
            PostHead();
        }
        else
        {
            Freed(head);
        }
    }

    /// <summary>The last start of a record at or before <paramref name="limit"/>.</summary>
    private ulong WalkTo(ulong limit)
    {
        ulong to = head;
        while (to < limit && RecordCodec.TryReadHeader(Ring, to, out RecordHeader record)
            && record.End <= limit)
        {
            to = record.End;
        }

        return to;
    }

    private void Freed(ulong upTo)
    {
        freedHead = upTo;
        if (refusedAsFull)
        {
            pending |= Notice.SpaceFreed;
        }
    }

    private void Raise(Notice notices)
    {
        pending |= notices;
        Notify();
    }

    /// <summary>Tells what is pending. Callbacks may call anything here; the outermost call
    /// tells.</summary>
    private void Notify()
    {
        if (notifying)
        {
            return;
        }

        notifying = true;
        try
        {
            while (pending != Notice.None)
            {
                Notice now = pending;
                pending = Notice.None;
                Tell(now);
            }
        }
        finally
        {
            notifying = false;
        }
    }

    private void Tell(Notice now)
    {
        if ((now & Notice.Reset) != 0)
        {
            reset.Tell();
        }

        if ((now & Notice.Changed) != 0)
        {
            changed.Tell();
        }

        if ((now & Notice.Advanced) != 0)
        {
            advanced.Tell();
        }

        if ((now & Notice.SpaceFreed) != 0)
        {
            refusedAsFull = false;
            spaceFreed.Tell();
        }

        AnswerProofs();
    }

    private void AnswerProofs()
    {
        while (proofs.TryPeek(out Proof proof) && OutcomeOf(proof) is { } outcome)
        {
            proofs.Dequeue();
            proof.Done(proof.State, outcome);
        }
    }

    private LogOutcome? OutcomeOf(in Proof proof) => Role switch
    {
        LogRole.Alone or LogRole.Resyncing => LogOutcome.Ok,
        LogRole.Mirrored => proof.Beat <= beatsDone ? LogOutcome.Ok : null,
        LogRole.Frozen => null,
        _ => LogOutcome.NotOwner,
    };

    /// <summary>Somebody who waits for a beat with at least this number.</summary>
    private readonly record struct Proof(Action<object, LogOutcome> Done, object State, ulong Beat);
}
