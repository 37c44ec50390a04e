using StorageOs.Contracts.Runtime;

namespace StorageOs.Volumes.Core;

/// <summary>What is made of a difference between two copies that should be equal.</summary>
internal enum ScrubVerdict
{
    /// <summary>They are equal.</summary>
    Equal,

    /// <summary>Looked at once more: a difference that goes away by itself is none.</summary>
    LookAgain,

    /// <summary>
    /// This node's is what both were when last compared: the partner's is repaired from it.
    /// </summary>
    OursIsGood,

    /// <summary>This node's is not what both were, and nobody wrote it since.</summary>
    OursChanged,

    /// <summary>Nobody knows what both were: it cannot be told which is right.</summary>
    CannotTell,
}

/// <summary>
/// Which extent of an in-sync pair is compared next, what both were when it last was, and since
/// when the one that waits longest has not been. Told the time. Pure.
/// </summary>
internal sealed class ScrubPlan
{
    private const int StampsMax = 1024;
    private readonly long[] volumes;
    private readonly int[] first; // Part at which each volume starts.
    private readonly int extentBytes;
    private readonly uint[] sums; // 0: not known, or written since.
    private readonly Instant[] stamps; // By part of the group: last compared, or since when due.
    private int next;
    private bool again;

    /// <summary>Plans for a group in which nothing was compared yet.</summary>
    public ScrubPlan(IReadOnlyList<long> volumeBytes, int extentBytes, Instant now)
    {
        volumes = [.. volumeBytes];
        this.extentBytes = extentBytes;
        first = new int[volumes.Length + 1];
        for (int i = 0; i < volumes.Length; i++)
        {
            first[i + 1] = first[i] + (int)((volumes[i] + extentBytes - 1) / extentBytes);
        }

        sums = new uint[Parts];
        stamps = new Instant[Math.Clamp(Parts, 1, StampsMax)];
        Array.Fill(stamps, now);
    }

    /// <summary>Extents of the group.</summary>
    public int Parts => first[^1];

    /// <summary>Extents of this pass that were compared.</summary>
    public int Done => next;

    /// <summary>Passes that were finished.</summary>
    public long Passes { get; private set; }

    /// <summary>Since when the extent that waits longest has not been compared.</summary>
    public Instant Oldest => stamps.Min();

    /// <summary>The extent that is next; false at the end of a pass.</summary>
    public bool Next(out Extent extent)
    {
        extent = default;
        if (next >= Parts)
        {
            return false;
        }

        int volume = 0;
        while (next >= first[volume + 1])
        {
            volume++;
        }

        long offset = (next - first[volume]) * (long)extentBytes;
        long length = Math.Min(extentBytes, volumes[volume] - offset);
        extent = new Extent(CopyStep.Compare, volume, offset, length);
        return true;
    }

    /// <summary>A new pass begins.</summary>
    public void Begin()
    {
        next = 0;
        again = false;
    }

    /// <summary>A range is written: what both were there is known no more.</summary>
    public void Wrote(int volume, long offset, long length)
    {
        if (length <= 0)
        {
            return;
        }

        int end = PartAt(volume, offset + length - 1);
        for (int part = PartAt(volume, offset); part <= end; part++)
        {
            sums[part] = 0;
        }
    }

    /// <summary>The extent that was next has been compared.</summary>
    /// <param name="sum">Checksum of this node's.</param>
    /// <param name="differs">What the partner found.</param>
    /// <param name="now">Now.</param>
    public ScrubVerdict Take(uint sum, bool differs, Instant now)
    {
        uint known = sums[next];
        if (differs && !again)
        {
            again = true;
            return ScrubVerdict.LookAgain;
        }

        again = false;
        if (!differs)
        {
            sums[next] = sum | 1; // Never 0.
            stamps[(int)((long)next * stamps.Length / Parts)] = now;
        }

        Passes += ++next == Parts ? 1 : 0;
        return !differs ? ScrubVerdict.Equal
            : known == 0 ? ScrubVerdict.CannotTell
            : known == (sum | 1) ? ScrubVerdict.OursIsGood
            : ScrubVerdict.OursChanged;
    }

    /// <summary>The extent that was next cannot be compared in this pass.</summary>
    public void Skip()
    {
        again = false;
        Passes += ++next == Parts ? 1 : 0;
    }

    private int PartAt(int volume, long offset) => first[volume] + (int)(offset / extentBytes);
}
