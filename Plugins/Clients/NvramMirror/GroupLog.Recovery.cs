using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.NvramMirror;

/// <summary>This part: what is found in memory that outlived a process or an owner (L2,
/// L7).</summary>
internal sealed partial class GroupLog
{
    /// <summary>
    /// Reads the copy anew. What is missing below what was published sets the forgot mark; never
    /// throws for what the memory holds.
    /// </summary>
    private void Recover()
    {
        head = acked = marked = 0;
        broken = false;
        cursor = LogCursor.At(0);
        header = default;
        if (!LogHeader.TryRead(Copy, capacity, out LogHeader found, out string why))
        {
            if (facts!.LogId != Guid.Empty)
            {
                Forget($"{regionName}: {why}");
            }

            return;
        }

        header = found;
        TakeFormat();
        head = LogLayout.ReadWord(Copy, LogLayout.HeadWord);
        ulong published = LogLayout.ReadWord(Copy, LogLayout.AckedWord);
        ulong tail = LogLayout.ReadWord(Copy, LogLayout.TailWord);
        ulong limit = head + (ulong)capacity;
        cursor = LogCursor.At(head);
        if (head > published || published > tail || tail > limit
            || head % LogLayout.Alignment != 0)
        {
            broken = true;
            Forget($"head {head}, acknowledged {published}, tail {tail} make no sense");
            acked = head;
            facts!.Flushed = Math.Min(facts.Flushed, head);
            return;
        }

        LogCursor toAcked = LogScan.Run(Ring, cursor, published);
        acked = toAcked.End;
        cursor = LogScan.Run(Ring, toAcked, limit);
        CheckPrefix(published, tail);
    }

    /// <summary>Notices that the copy was made anew since the facts were written.</summary>
    private void TakeFormat()
    {
        bool building = LogLayout.ReadWord(Copy, LogLayout.GenerationWord) == 0;
        if (building || header.LogId != facts!.LogId || header.FormatId != facts.FormatId)
        {
            Forget(building
                ? "the partner was making this copy anew and did not finish"
                : "this copy was made anew by the partner");
            facts!.LogId = header.LogId;
            facts.FormatId = header.FormatId;
            facts.Flushed = LogLayout.ReadWord(Copy, LogLayout.HeadWord);
        }
    }

    private void CheckPrefix(ulong published, ulong tail)
    {
        broken = acked < published || cursor.End < tail;
        if (broken)
        {
            Forget($"records chain to {cursor.End}; {published} was acknowledged, "
                + $"{tail} published");
        }

        if (facts!.Flushed < head && !powerCycled)
        {
            // L3: the owner frees only what this node has said to be on its disk, and it says so
            // after it has written it down; the file may lag only behind a loss of power.
            Forget($"{head} was freed, but {facts.Flushed} is on disk");
        }

        if (facts.Flushed > cursor.End)
        {
            Forget($"records chain to {cursor.End}, but {facts.Flushed} was on disk already");
            facts.Flushed = cursor.End;
        }

        facts.Flushed = Math.Max(facts.Flushed, head);
    }

    /// <summary>Makes this copy anew when it holds no log: an owner that begins.</summary>
    private void EnsureFormatted()
    {
        if (header.LogId != Guid.Empty)
        {
            if (facts!.Lost)
            {
                // A new register, or the operator's word: what this copy has is what counts now.
                facts.Lost = false;
                facts.Save(sync: true);
            }

            return;
        }

        // An LSN is never used again, not even by a log that follows a lost one.
        ulong start = (facts!.Flushed + LogLayout.Alignment - 1) & ~(LogLayout.Alignment - 1ul);
        Span<byte> id = stackalloc byte[16];
        BitConverter.TryWriteBytes(id, node.SystemId ^ ((ulong)Group.Value << 63));
        BitConverter.TryWriteBytes(id[8..], node.BootEpoch);
        Copy[..LogLayout.HeaderBytes].Clear();
        header = LogHeader.Make(new Guid(id), capacity, formatId: 1);
        foreach (int word in (ReadOnlySpan<int>)
            [LogLayout.HeadWord, LogLayout.AckedWord, LogLayout.TailWord])
        {
            LogLayout.WriteWord(Copy, word, start);
        }

        LogLayout.WriteWord(Copy, LogLayout.GenerationWord, 1);
        System.Runtime.InteropServices.MemoryMarshal.Write(Copy, in header);
        facts.LogId = header.LogId;
        facts.FormatId = header.FormatId;
        facts.Flushed = start;
        Forget("this copy was made anew");
        facts.Lost = false;
        facts.Save(sync: true);
        head = acked = start;
        cursor = LogCursor.At(start);
        Raise(Notice.Reset);
    }

    private bool HasRoomForGeneration =>
        cursor.End - head + RecordHeader.Bytes <= (ulong)capacity;

    /// <summary>
    /// Rule L2: before the first append in a new role both sides know where the old records end,
    /// because the new ones say so.
    /// </summary>
    private void StartGeneration()
    {
        freedHead = head;
        if (HasRoomForGeneration)
        {
            AppendControl(ControlKind.GenerationStart, cursor.Generation + 1);
        }
        else
        {
            // L4: a full log whose owner came and went until the reserve was used up. Its last
            // record starts a generation, and nothing that could be torn was ever behind it.
            Invariant.Require(
                RecordCodec.TryReadHeader(Ring, cursor.LastStart, out RecordHeader last)
                && last.Control == ControlKind.GenerationStart);
        }

        generationStarted = true;
        Publish();
    }
}
