using StorageOs.Contracts.Services;

namespace StorageOs.Volumes.Core;

/// <summary>What is done with a part of a volume.</summary>
internal enum CopyStep
{
    /// <summary>The partner is asked whether it has changed it by itself.</summary>
    Ask,

    /// <summary>It is copied.</summary>
    Copy,

    /// <summary>It is compared.</summary>
    Compare,

    /// <summary>It differed: it is copied again, and compared.</summary>
    Repair,
}

/// <summary>A part of a volume, and what is done with it.</summary>
/// <param name="Step">What is done.</param>
/// <param name="Volume">Number of the volume.</param>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Repairs">How often it was copied again.</param>
internal readonly record struct Extent(
    CopyStep Step, int Volume, long Offset, long Length, int Repairs = 0);

/// <summary>
/// What a resync does next: asks where both may have changed, copies what was changed, then
/// compares everything that was copied, what need only be compared, and a sample of the rest. When
/// the sample finds a difference the record was wrong, and everything is compared. Pure.
/// </summary>
internal sealed class CopyPlan
{
    /// <summary>Most copies of one extent again; then the partner's disk is not good.</summary>
    public const int RepairsMax = 3;

    private const long AskBytesAtFirst = 1L << 30;
    private const int AskCuts = 16;

    private readonly Granules granules;
    private readonly int pieceBytes;
    private readonly GranuleSet toCopy;
    private readonly GranuleSet toCompare;
    private readonly GranuleSet doubtful; // A difference there is no surprise.
    private readonly Queue<Extent> asks = new();
    private readonly Queue<Extent> repairs = new();
    private CopyStep round;
    private int granule; // Where the round is,
    private long within; // and how far into it.

    /// <summary>Plans a resync.</summary>
    /// <param name="record">What was changed.</param>
    /// <param name="ask">Whether the partner may have changed something, too.</param>
    /// <param name="sample">What else is compared.</param>
    /// <param name="pieceBytes">Most bytes of one extent.</param>
    public CopyPlan(ChangeRecord record, bool ask, VerifySample sample, int pieceBytes)
    {
        granules = record.Granules;
        this.pieceBytes = pieceBytes;
        toCopy = new GranuleSet(granules.Count);
        toCompare = new GranuleSet(granules.Count);
        doubtful = new GranuleSet(granules.Count);
        for (int i = 0; i < granules.Count; i++)
        {
            bool changed = record.Changed[i];
            _ = changed && !record.Copied[i] && toCopy.Add(i);
            _ = changed && record.Copied[i] && doubtful.Add(i);
            _ = (changed || sample.Takes(i)) && toCompare.Add(i);
        }

        CompareTotal = BytesOf(toCompare);
        CopyTotal = BytesOf(toCopy);
        if (ask)
        {
            AskAll();
        }

        round = CopyStep.Copy;
    }

    /// <summary>Bytes to be copied.</summary>
    public long CopyTotal { get; private set; }

    /// <summary>Of these, copied.</summary>
    public long CopyDone { get; private set; }

    /// <summary>Bytes to be compared.</summary>
    public long CompareTotal { get; private set; }

    /// <summary>Of these, compared.</summary>
    public long CompareDone { get; private set; }

    /// <summary>Extents that differed when they were compared.</summary>
    public long Mismatches { get; private set; }

    /// <summary>Of these, such as had just been copied, or should never have differed.</summary>
    public long Surprises { get; private set; }

    /// <summary>The sample has found the record wrong: everything is compared.</summary>
    public bool Widened { get; private set; }

    /// <summary>Questions whose answers are still to come.</summary>
    public int Unanswered { get; private set; }

    /// <summary>Says what is next; false when nothing is, for now or at all.</summary>
    public bool Next(out Extent next)
    {
        if (asks.TryPeek(out next) || repairs.TryPeek(out next))
        {
            return true;
        }

        // What is to be copied is known when every question was answered.
        if (Unanswered > 0 && CopyDone == 0 && round == CopyStep.Copy && asking)
        {
            return false;
        }

        asking = false;
        overtaken = false;
        handedOut = NextOf(round == CopyStep.Copy ? toCopy : toCompare, out next)
            || (round == CopyStep.Copy && BeginComparing() && NextOf(toCompare, out next));
        return handedOut;
    }

    /// <summary>How far from its start an extent may reach when it is all zeros.</summary>
    public long RunEnd(in Extent extent)
    {
        if (extent.Step is CopyStep.Repair)
        {
            return extent.Offset + extent.Length;
        }

        GranuleSet set = extent.Step == CopyStep.Copy ? toCopy : toCompare;
        int end = Math.Min(
            set.NextAbsent(granules.At(extent.Volume, extent.Offset)),
            granules.EndOf(extent.Volume));
        return end == granules.EndOf(extent.Volume)
            ? granules.Volumes[extent.Volume]
            : granules.StartOf(end).Offset;
    }

    /// <summary>An extent was put into the log, as far as <paramref name="length"/>.</summary>
    public void Took(in Extent extent, long length)
    {
        Unanswered += extent.Step == CopyStep.Copy ? 0 : 1;
        switch (extent.Step)
        {
            case CopyStep.Ask:
                asks.Dequeue();
                break;
            case CopyStep.Repair:
                repairs.Dequeue();
                break;
            default:
                Advance(extent, length);
                break;
        }
    }

    /// <summary>The partner has answered.</summary>
    /// <param name="extent">What it was asked of, at the length taken.</param>
    /// <param name="yes">It has changed it by itself, or found a difference.</param>
    /// <returns>False when an extent differs however often it is copied.</returns>
    public bool TakeAnswer(in Extent extent, bool yes)
    {
        Unanswered--;
        if (!yes)
        {
            return true;
        }

        if (extent.Step == CopyStep.Ask)
        {
            TakeTheirs(extent);
            return true;
        }

        return TakeDifference(extent);
    }

    private bool asking;
    private bool handedOut; // An extent that Next gave and that was not taken yet.
    private bool overtaken; // By a widening.

    private void AskAll()
    {
        asking = true;
        for (int volume = 0; volume < granules.Volumes.Count; volume++)
        {
            AskIn(volume, 0, granules.Volumes[volume], AskBytesAtFirst);
        }
    }

    private void AskIn(int volume, long from, long to, long step)
    {
        for (long at = from; at < to; at += step)
        {
            asks.Enqueue(new Extent(CopyStep.Ask, volume, at, Math.Min(step, to - at)));
        }
    }

    /// <summary>S10: the union of both sides' changes is copied.</summary>
    private void TakeTheirs(in Extent extent)
    {
        long step = Math.Max(extent.Length / AskCuts, granules.Bytes);
        step = (step + granules.Bytes - 1) / granules.Bytes * granules.Bytes;
        if (extent.Length > granules.Bytes)
        {
            AskIn(extent.Volume, extent.Offset, extent.Offset + extent.Length, step);
            return;
        }

        int theirs = granules.At(extent.Volume, extent.Offset);
        CopyTotal += toCopy.Add(theirs) ? granules.BytesOf(theirs) : 0;
        CompareTotal += toCompare.Add(theirs) ? granules.BytesOf(theirs) : 0;
    }

    private bool TakeDifference(in Extent extent)
    {
        Mismatches++;
        int first = granules.At(extent.Volume, extent.Offset);
        int last = granules.At(extent.Volume, extent.Offset + extent.Length - 1);
        bool surprise = extent.Repairs > 0 || !doubtful.Any(first, last + 1);
        Surprises += surprise ? 1 : 0;
        if (extent.Repairs == RepairsMax)
        {
            return false;
        }

        for (long at = 0; at < extent.Length; at += pieceBytes)
        {
            repairs.Enqueue(new Extent(
                CopyStep.Repair, extent.Volume, extent.Offset + at,
                Math.Min(pieceBytes, extent.Length - at), extent.Repairs + 1));
        }

        if (extent.Repairs == 0 && !Widened && !toCopy.Any(first, last + 1) && surprise)
        {
            Widen();
        }

        return true;
    }

    /// <summary>What should not differ does: nothing that the record says is believed.</summary>
    private void Widen()
    {
        Widened = true;
        for (int i = 0; i < granules.Count; i++)
        {
            _ = !toCopy[i] && doubtful.Add(i);
        }

        toCompare.AddAll();
        CompareTotal = CompareDone + granules.TotalBytes;
        granule = 0;
        within = 0;
        overtaken = handedOut;
    }

    private bool BeginComparing()
    {
        round = CopyStep.Compare;
        granule = 0;
        within = 0;
        return true;
    }

    private bool NextOf(GranuleSet set, out Extent next)
    {
        next = default;
        int at = within > 0 ? granule : set.Next(granule);
        if (at >= granules.Count)
        {
            granule = granules.Count;
            return false;
        }

        (int volume, long offset) = granules.StartOf(at);
        offset += at == granule ? within : 0;
        next = new Extent(round, volume, offset, 0);
        long length = Math.Min(RunEnd(next) - offset, pieceBytes);
        next = next with { Length = length };
        return true;
    }

    private void Advance(in Extent extent, long length)
    {
        CopyDone += extent.Step == CopyStep.Copy ? length : 0;
        CompareDone += extent.Step == CopyStep.Compare ? length : 0;
        handedOut = false;
        if (overtaken)
        {
            // It was being read when everything began anew: what lies before it comes first.
            CompareTotal += length;
            overtaken = false;
            return;
        }

        long end = extent.Offset + length;
        if (end >= granules.Volumes[extent.Volume])
        {
            granule = granules.EndOf(extent.Volume);
            within = 0;
            return;
        }

        granule = granules.At(extent.Volume, end);
        within = end - granules.StartOf(granule).Offset;
    }

    private long BytesOf(GranuleSet set)
    {
        long bytes = 0;
        for (int at = set.Next(0); at < set.Size; at = set.Next(at + 1))
        {
            bytes += granules.BytesOf(at);
        }

        return bytes;
    }
}
