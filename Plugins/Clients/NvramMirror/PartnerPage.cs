using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.NvramMirror;

/// <summary>What a node says of one group's log in its page, for the owner to read.</summary>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal struct PartnerPage
{
    /// <summary>Length.</summary>
    public const int Bytes = 256;

    /// <summary>Where the owner puts what it has read, within its own page.</summary>
    public const int ReadInto = 512;

    /// <summary>Bytes for all groups.</summary>
    public const int TotalBytes = Bytes * GroupId.Count;

    /// <summary>Generation of the copy that it speaks of.</summary>
    public ulong Generation;

    /// <summary>Everything before it is on this node's disk.</summary>
    public ulong Flushed;

    /// <summary>
    /// The last comparisons (S11) that found a difference; 0 where there is none.
    /// </summary>
    public MismatchList Mismatches;

    /// <summary>Id of its disk; 0 before that is known.</summary>
    public ulong DiskId;

    /// <summary>The partner's disk that it was last in sync with.</summary>
    public ulong DiskPairedWith;

    /// <summary>Term under which the disk was changed by its node alone; 0 for never.</summary>
    public ulong DiskAloneUnder;

    /// <summary>Ones' complement of CRC-32C over all of it: a torn read does not match.</summary>
    public uint Check;

    /// <summary>Where a group's part stands.</summary>
    public static int OffsetOf(GroupId group) => group.Value * Bytes;

    /// <summary>Makes one under its check.</summary>
    public static PartnerPage Make(
        ulong generation, ulong flushed, ReadOnlySpan<ulong> mismatches, in DiskFacts disk)
    {
        PartnerPage page = new()
        {
            Generation = generation,
            Flushed = flushed,
            DiskId = disk.Id,
            DiskPairedWith = disk.PairedWith,
            DiskAloneUnder = disk.AloneUnder.Value,
        };
        mismatches.CopyTo(page.Mismatches);
        page.Check = page.ComputeCheck();
        return page;
    }

    /// <summary>Reads one; false when torn or never written.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out PartnerPage page)
    {
        page = MemoryMarshal.Read<PartnerPage>(bytes);
        return page.Generation != 0 && page.Check == page.ComputeCheck();
    }

    private readonly uint ComputeCheck()
    {
        PartnerPage copy = this;
        copy.Check = 0;
        return ~Crc32C.Of(MemoryMarshal.AsBytes(new ReadOnlySpan<PartnerPage>(in copy)));
    }

    /// <summary>Ends of records that asked for a comparison.</summary>
    [InlineArray(IGroupLog.MismatchesKept)]
    internal struct MismatchList
    {
        private ulong first;
    }
}
