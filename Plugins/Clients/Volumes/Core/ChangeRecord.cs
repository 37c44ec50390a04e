using System.Security.Cryptography;

namespace StorageOs.Volumes.Core;

// What a lone owner has changed since its partner was last in sync, granule by granule.
//
// The mirrored log is the activity log of this record (docs/adr/0011): a write is durably recorded
// by its own record in the log before it is acknowledged, and that record stays there until its
// granules stand in the file. So a write to a granule that was changed before costs nothing, and a
// crash costs a look at the log.
//
// A granule is in one of three states: clean; changed; or changed and copied, which is compared
// with the partner's and copied only when it differs. Nothing but InSync makes one clean again
// (S11).

/// <summary>
/// One node's record of the changes to one group's volumes, and of the disk they are on. Pure:
/// <see cref="RecordCodec"/> says how it is written.
/// </summary>
internal sealed class ChangeRecord
{
    /// <summary>Most characters of <see cref="Why"/> that are kept.</summary>
    public const int WhyMax = 120;

    private readonly GranuleSet changed;
    private readonly GranuleSet copied;
    private readonly byte[] pages; // Which of them differ from the file, and how urgently.
    private (int Volume, long Start, long End) run; // Copies that followed each other.
    private int urgentPages;
    private int waitingPages;

    /// <summary>Makes an empty record of a disk that nothing is known of.</summary>
    public ChangeRecord(Granules granules, ulong diskId, string machineBootId)
    {
        Granules = granules;
        DiskId = diskId;
        MachineBootId = machineBootId;
        changed = new GranuleSet(granules.Count);
        copied = new GranuleSet(granules.Count);
        pages = new byte[RecordCodec.PagesOf(granules.Count)];
        HeaderChanged = true;
    }

    /// <summary>How the volumes are cut.</summary>
    public Granules Granules { get; }

    /// <summary>
    /// Random; made anew when the disk may have lost what it was given, so that it is another disk.
    /// </summary>
    public ulong DiskId { get; private set; }

    /// <summary>The partner's disk that the changes are relative to; 0 when none is.</summary>
    public ulong PairedWith { get; private set; }

    /// <summary>This node has served alone, or copies to its partner; no InSync since.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>Term under which it was opened.</summary>
    public ulong Term { get; private set; }

    /// <summary>Grows when the granules start anew; pages of another epoch say nothing.</summary>
    public ulong Epoch { get; private set; } = 1;

    /// <summary>Boot of the machine in which it was last written.</summary>
    public string MachineBootId { get; private set; }

    /// <summary>Why everything is to be copied or compared; empty when it is not.</summary>
    public string Why { get; private set; } = "";

    /// <summary>Granules that were changed.</summary>
    public GranuleSet Changed => changed;

    /// <summary>Of these, those that were copied since.</summary>
    public GranuleSet Copied => copied;

    /// <summary>Whether the header differs from the file.</summary>
    public bool HeaderChanged { get; private set; }

    /// <summary>Whether anything must be written before the log may forget what it has.</summary>
    public bool NeedsWrite => HeaderChanged || urgentPages > 0;

    /// <summary>How many pages differ from the file.</summary>
    public int PagesToWrite => urgentPages + waitingPages;

    /// <summary>A random id of a disk.</summary>
    public static ulong NewDiskId()
    {
        Span<byte> bytes = stackalloc byte[8];
        RandomNumberGenerator.Fill(bytes);
        return BitConverter.ToUInt64(bytes) | 1; // Never 0, which says none.
    }

    /// <summary>This node serves alone from here on.</summary>
    public void Open(ulong term)
    {
        if (!IsOpen)
        {
            IsOpen = true;
            Term = term;
            StartAnew();
        }
    }

    /// <summary>A write by this node.</summary>
    /// <param name="mirrored">It goes to the partner, too, which is being copied to.</param>
    public void Mark(int volume, long offset, long length, bool mirrored)
    {
        if (length <= 0)
        {
            return;
        }

        int end = Granules.At(volume, offset + length - 1);
        for (int granule = Granules.At(volume, offset); granule <= end; granule++)
        {
            bool news = changed.Add(granule);
            run = mirrored ? run : default; // What follows is of another time.
            if (mirrored ? news && copied.Add(granule) : copied.Remove(granule) || news)
            {
                Touch(granule, urgent: true);
            }
        }
    }

    /// <summary>The partner's disk has taken a copy of a range; a granule counts when all of it
    /// has, in one piece or in several that follow each other.</summary>
    public void TakeCopied(int volume, long offset, long length)
    {
        long bytes = Granules.Bytes;
        long end = offset + length;
        bool goesOn = volume == run.Volume && offset == run.End;
        long start = goesOn ? run.Start : offset;
        run = (volume, start, end);
        bool toEnd = end == Granules.Volumes[volume];

        // From the granule in which this piece begins: those before it counted with theirs.
        long from = Math.Max((start + bytes - 1) / bytes * bytes, offset / bytes * bytes);
        for (long at = from; at < end && (at + bytes <= end || toEnd); at += bytes)
        {
            int granule = Granules.At(volume, at);
            if (changed[granule] && copied.Add(granule))
            {
                Touch(granule, urgent: false);
            }
        }
    }

    /// <summary>A copy of everything to a disk begins: the record is of that from here.</summary>
    public void PairAll(ulong partnerDisk, string why)
    {
        PairedWith = partnerDisk;
        Everything(why);
    }

    /// <summary>What was changed is not known: everything is to be compared.</summary>
    public void DoubtAll(string why)
    {
        Everything(why);
        Term = Math.Max(Term, 1); // It may have served alone, and says so.
        copied.AddAll();
    }

    /// <summary>InSync: both disks hold the same, or will by their logs.</summary>
    public void Close(ulong partnerDisk)
    {
        PairedWith = partnerDisk;
        IsOpen = false;
        Term = 0;
        Why = "";
        StartAnew();
    }

    /// <summary>This disk may have lost what it was given: it is another one now.</summary>
    public void Renew(ulong diskId, string why)
    {
        DiskId = diskId;
        PairedWith = 0;
        Why = Cut(why);
        HeaderChanged = true;
    }

    /// <summary>Says that what a write of the record took is in the file.</summary>
    public void Written() => HeaderChanged = false;

    /// <summary>Whether a page differs from the file; from here on it counts as written.</summary>
    public bool TakePage(int page)
    {
        byte state = pages[page];
        urgentPages -= state == 2 ? 1 : 0;
        waitingPages -= state == 1 ? 1 : 0;
        pages[page] = 0;
        return state != 0;
    }

    /// <summary>What was taken did not reach the file.</summary>
    public void WriteAgain()
    {
        HeaderChanged = true;
        for (int page = 0; page < pages.Length; page++)
        {
            Touch(page * RecordCodec.GranulesPerPage, urgent: true);
        }
    }

    /// <summary>What a file says, taken over as it is.</summary>
    public void Restore(
        ulong pairedWith, bool open, ulong term, ulong epoch, string machineBootId, string why)
    {
        (PairedWith, IsOpen, Term, Epoch) = (pairedWith, open, term, epoch);
        (MachineBootId, Why) = (machineBootId, why);
        HeaderChanged = false;
    }

    /// <summary>The machine was booted since, and its disks kept what they were given.</summary>
    public void NoteBoot(string machineBootId)
    {
        HeaderChanged |= MachineBootId != machineBootId;
        MachineBootId = machineBootId;
    }

    private static string Cut(string why) => why.Length <= WhyMax ? why : why[..WhyMax];

    private void Everything(string why)
    {
        IsOpen = true;
        Why = Cut(why);
        StartAnew();
        changed.AddAll();
        WriteAgain();
    }

    private void StartAnew()
    {
        Epoch++;
        changed.Clear();
        copied.Clear();
        Array.Clear(pages);
        urgentPages = waitingPages = 0;
        HeaderChanged = true;
    }

    private void Touch(int granule, bool urgent)
    {
        ref byte state = ref pages[granule / RecordCodec.GranulesPerPage];
        if (state == 0 || (urgent && state == 1))
        {
            waitingPages += (urgent ? 0 : 1) - (state == 1 ? 1 : 0);
            urgentPages += urgent ? 1 : 0;
            state = (byte)(urgent ? 2 : 1);
        }

        HeaderChanged |= urgent; // It counts the granules.
    }
}
