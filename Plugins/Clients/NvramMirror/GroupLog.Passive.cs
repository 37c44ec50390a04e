using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.NvramMirror;

/// <summary>
/// This part: following the owner, by looking at this copy from time to time. What is found there
/// was written by the partner: it is checked, and what fails sets the forgot mark with its reason.
/// </summary>
internal sealed partial class GroupLog
{
    private bool damaged; // Found while following; until this copy is made anew.
    private bool broken; // Found by the last recovery.
    private ulong publishedGeneration;
    private readonly ulong[] mismatches = new ulong[IGroupLog.MismatchesKept];
    private int mismatchCount;

    /// <summary>Looks for what the owner has done since.</summary>
    /// <returns>Whether there was anything.</returns>
    public bool Look()
    {
        if (Role != LogRole.Passive || region is null)
        {
            return false;
        }

        ulong generation = LogLayout.ReadWord(Copy, LogLayout.GenerationWord);
        if (generation == 0)
        {
            return NoteFormat();
        }

        if (!LogHeader.TryRead(Copy, capacity, out LogHeader found, out string why))
        {
            return header.LogId != Guid.Empty && Damage($"{regionName}: {why}");
        }

        if (found.LogId != header.LogId || found.FormatId != header.FormatId)
        {
            // A format that began after the first word was read is not finished: its head may be
            // the old one still. One that is finished has its generation again.
            return LogLayout.ReadWord(Copy, LogLayout.GenerationWord) == generation && Adopt();
        }

        bool moved = !damaged && FollowWords();
        if (!damaged && generation != publishedGeneration)
        {
            PublishPage();
            moved = true;
        }

        return moved;
    }

    private bool FollowWords()
    {
        ulong newAcked = LogLayout.ReadWord(Copy, LogLayout.AckedWord);
        ulong newHead = LogLayout.ReadWord(Copy, LogLayout.HeadWord);
        if (newAcked == acked && newHead == head)
        {
            return false;
        }

        // The owner moves its head only over what this node has said to be on its disk (L3).
        if (newHead < head || newHead > Math.Max(Flushed.Value, head))
        {
            return Damage($"head moved to {newHead}; flushed here is {Flushed}");
        }

        if (newAcked < acked || newAcked > newHead + (ulong)capacity)
        {
            return Damage($"acknowledged moved from {acked} to {newAcked}, head {newHead}");
        }

        LogCursor read = LogScan.Run(Ring, Behind(newHead, newAcked), newAcked);
        if (read.End != newAcked)
        {
            return Damage($"records chain to {read.End}; {newAcked} is said to be acknowledged");
        }

        head = newHead;
        cursor = read;
        if (newAcked != acked)
        {
            acked = newAcked;
            Raise(Notice.Advanced);
        }

        return true;
    }

    /// <summary>
    /// Where to go on: what was verified, unless recovery went beyond what was acknowledged. What
    /// lies before the owner's head may be overwritten by now.
    /// </summary>
    private LogCursor Behind(ulong from, ulong limit) =>
        cursor.End <= limit ? cursor : LogScan.Run(Ring, LogCursor.At(from), limit);

    /// <summary>The owner has finished to make this copy anew.</summary>
    private bool Adopt()
    {
        damaged = false;
        Recover();
        damaged = header.LogId == Guid.Empty || broken;
        facts!.Lost = damaged;
        facts.Save(sync: true);
        PublishPage();
        Raise(Notice.Reset | Notice.Changed);
        return true;
    }

    private bool NoteFormat()
    {
        if (header.LogId == Guid.Empty)
        {
            return false;
        }

        // L7: durably, before the new contents could be taken for the old ones.
        return Damage("the partner is making this copy anew");
    }

    /// <inheritdoc/>
    public void ReportMismatch(Lsn compared) =>
        mismatches[mismatchCount++ % mismatches.Length] = compared.Value;

    /// <inheritdoc/>
    public void MarkDamaged(string why)
    {
        // Of a flush that ended after the log was closed, the log still holds all.
        if (Role == LogRole.Passive && region is not null)
        {
            Damage(why);
        }
    }

    private bool Damage(string why)
    {
        if (damaged)
        {
            return false;
        }

        damaged = true;
        Forget(why);
        facts!.Save(sync: true);
        Raise(Notice.Changed);
        return true;
    }

    /// <summary>Puts what the partner wants to know where it can read it.</summary>
    private void PublishPage()
    {
        publishedGeneration = LogLayout.ReadWord(Copy, LogLayout.GenerationWord);
        PartnerPage page = PartnerPage.Make(
            publishedGeneration, Flushed.Value, mismatches, disk);
        MemoryMarshal.Write(host.Page.Bytes[PartnerPage.OffsetOf(Group)..], in page);
    }
}
