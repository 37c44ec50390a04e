using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Volumes.Core;

// The file of a record, in sectors of 512 bytes so that none is torn:
//
//   0 and 512   the header, in two slots written in turn, the newer one counts
//   4096 …      pages of the granules: CRC-32C, number, epoch, 31 words of changed, 31 of copied
//
// Pages go before the header, which counts the changed granules. A page that was lost, spoiled or
// put elsewhere is found by its checksum or by the count, a header that was lost by pages of a
// later epoch, and one that was spoiled by its checksum; then everything is compared.

/// <summary>How a <see cref="ChangeRecord"/> is written and read back. Pure.</summary>
internal static class RecordCodec
{
    /// <summary>Bytes of a page and of a header's slot.</summary>
    public const int PageBytes = 512;

    /// <summary>Where the pages start.</summary>
    public const int PagesAt = 4096;

    /// <summary>Granules of a page.</summary>
    public const int GranulesPerPage = WordsPerPage * 64;

    private const int WordsPerPage = 31;
    private const int ChangedAt = 16;
    private const int CopiedAt = ChangedAt + (WordsPerPage * sizeof(ulong));
    private const ulong Magic = 0x3130_4745_5243_4F53; // "SOCREG01"
    private const int HeaderTextAt = 96;
    private const int TextBytesMax = 2 * ChangeRecord.WhyMax;

    /// <summary>Pages of so many granules.</summary>
    public static int PagesOf(int granules) => (granules + GranulesPerPage - 1) / GranulesPerPage;

    /// <summary>Bytes of the file of so many granules.</summary>
    public static int FileBytes(int granules) => PagesAt + (PagesOf(granules) * PageBytes);

    /// <summary>Writes a page.</summary>
    public static void WritePage(ChangeRecord record, int page, Span<byte> into)
    {
        into.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(into[4..], page);
        BinaryPrimitives.WriteUInt64LittleEndian(into[8..], record.Epoch);
        WriteWords(record.Changed.Words, page, into[ChangedAt..]);
        WriteWords(record.Copied.Words, page, into[CopiedAt..]);
        BinaryPrimitives.WriteUInt32LittleEndian(into, Crc32C.Of(into[4..]));
    }

    /// <summary>Writes the header; the slot is for the caller to choose.</summary>
    public static void WriteHeader(ChangeRecord record, ulong sequence, Span<byte> into)
    {
        into.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(into[8..], Magic);
        BinaryPrimitives.WriteUInt64LittleEndian(into[16..], sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(into[24..], record.DiskId);
        BinaryPrimitives.WriteUInt64LittleEndian(into[32..], record.PairedWith);
        BinaryPrimitives.WriteUInt64LittleEndian(into[40..], record.Epoch);
        BinaryPrimitives.WriteUInt64LittleEndian(into[48..], record.Term);
        BinaryPrimitives.WriteInt32LittleEndian(into[56..], record.Changed.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(into[60..], Geometry(record.Granules));
        into[64] = record.IsOpen ? (byte)1 : (byte)0;
        WriteText(into[HeaderTextAt..], record.MachineBootId, 100);
        WriteText(into[(HeaderTextAt + 104)..], record.Why, TextBytesMax);
        BinaryPrimitives.WriteUInt32LittleEndian(into, Crc32C.Of(into[4..]));
    }

    /// <summary>Reads a record back, and says in it what could not be.</summary>
    /// <param name="file">All of the file; may be shorter than it should be.</param>
    /// <param name="granules">How the volumes are cut now.</param>
    /// <param name="machineBootId">This boot of the machine.</param>
    /// <param name="trusted">Whether what was written survives a boot of the machine.</param>
    /// <param name="newDiskId">Id for the disk, if it needs one.</param>
    /// <param name="sequence">Of the newest header.</param>
    public static ChangeRecord Read(
        ReadOnlySpan<byte> file, Granules granules, string machineBootId, bool trusted,
        ulong newDiskId, out ulong sequence)
    {
        ReadOnlySpan<byte> header = NewestHeader(file, out sequence, out bool spoiled);
        if (header.IsEmpty)
        {
            ChangeRecord fresh = new(granules, newDiskId, machineBootId);
            fresh.Renew(newDiskId, file.ContainsAnyExcept((byte)0)
                ? "the record of changes is damaged: no good header"
                : "there was no record of changes");
            return fresh;
        }

        ChangeRecord record = new(granules, Get(header, 24), machineBootId);
        record.Restore(
            Get(header, 32), header[64] == 1, Get(header, 48), Get(header, 40),
            ReadText(header[HeaderTextAt..], 100),
            ReadText(header[(HeaderTextAt + 104)..], TextBytesMax));
        if (record.MachineBootId != machineBootId && !trusted)
        {
            record.Renew(newDiskId, "the machine was booted since; at crash-safe level its disk"
                + " is not trusted");
        }

        record.NoteBoot(machineBootId);
        bool same = BinaryPrimitives.ReadUInt32LittleEndian(header[60..]) == Geometry(granules);
        string fault = spoiled ? "a header of the record of changes is damaged"
            : same ? ReadPages(
                file, record, BinaryPrimitives.ReadInt32LittleEndian(header[56..]))
            : record.IsOpen ? "the volumes have other sizes than the record of changes"
            : "";
        if (fault.Length > 0)
        {
            record.DoubtAll(fault);
        }

        return record;
    }

    private static ReadOnlySpan<byte> NewestHeader(
        ReadOnlySpan<byte> file, out ulong sequence, out bool spoiled)
    {
        ReadOnlySpan<byte> newest = default;
        sequence = 0;
        spoiled = false;
        for (int slot = 0; slot < 2 && file.Length >= (slot + 1) * PageBytes; slot++)
        {
            ReadOnlySpan<byte> one = file.Slice(slot * PageBytes, PageBytes);
            bool good = Get(one, 8) == Magic
                && BinaryPrimitives.ReadUInt32LittleEndian(one) == Crc32C.Of(one[4..]);
            spoiled |= !good && one.ContainsAnyExcept((byte)0);
            if (good && Get(one, 16) > sequence)
            {
                newest = one;
                sequence = Get(one, 16);
            }
        }

        return newest;
    }

    /// <summary>Takes the pages over; what is wrong with them, or nothing.</summary>
    private static string ReadPages(ReadOnlySpan<byte> file, ChangeRecord record, int count)
    {
        for (int page = 0; page < PagesOf(record.Granules.Count); page++)
        {
            int at = PagesAt + (page * PageBytes);
            if (file.Length < at + PageBytes
                || !file.Slice(at, PageBytes).ContainsAnyExcept((byte)0))
            {
                continue; // Never written; the count says whether it should have been.
            }

            ReadOnlySpan<byte> one = file.Slice(at, PageBytes);
            bool good = BinaryPrimitives.ReadUInt32LittleEndian(one) == Crc32C.Of(one[4..])
                && BinaryPrimitives.ReadInt32LittleEndian(one[4..]) == page;
            if (good ? Get(one, 8) > record.Epoch : record.IsOpen)
            {
                return good
                    ? "the record of changes is newer than its header"
                    : $"page {page} of the record of changes is damaged";
            }

            if (record.IsOpen && Get(one, 8) == record.Epoch)
            {
                TakeWords(record, one, page);
            }
        }

        return !record.IsOpen || record.Changed.Count >= count ? ""
            : $"the record of changes has {record.Changed.Count} granules of {count}";
    }

    private static void TakeWords(ChangeRecord record, ReadOnlySpan<byte> from, int page)
    {
        int first = page * WordsPerPage;
        int count = Math.Min(WordsPerPage, record.Changed.Words.Length - first);
        for (int i = 0; i < count; i++)
        {
            record.Changed.SetWord(first + i, Get(from, ChangedAt + (i * sizeof(ulong))));
            record.Copied.SetWord(first + i, Get(from, CopiedAt + (i * sizeof(ulong))));
        }
    }

    private static void WriteWords(ReadOnlySpan<ulong> words, int page, Span<byte> into)
    {
        int from = page * WordsPerPage;
        int count = Math.Min(WordsPerPage, words.Length - from);
        MemoryMarshal.AsBytes(words.Slice(from, count)).CopyTo(into);
    }

    private static uint Geometry(Granules granules)
    {
        uint state = ~0u;
        Span<byte> size = stackalloc byte[8];
        foreach (long bytes in granules.Volumes)
        {
            BinaryPrimitives.WriteInt64LittleEndian(size, bytes);
            state = Crc32C.Extend(state, size);
        }

        BinaryPrimitives.WriteInt64LittleEndian(size, granules.Bytes);
        return ~Crc32C.Extend(state, size);
    }

    private static ulong Get(ReadOnlySpan<byte> at, int offset) =>
        BinaryPrimitives.ReadUInt64LittleEndian(at[offset..]);

    private static void WriteText(Span<byte> at, string text, int bytesMax)
    {
        _ = Utf8.FromUtf16(text, at.Slice(2, bytesMax), out _, out int bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)bytes);
    }

    private static string ReadText(ReadOnlySpan<byte> at, int bytesMax)
    {
        int length = Math.Min((int)BinaryPrimitives.ReadUInt16LittleEndian(at), bytesMax);
        return Encoding.UTF8.GetString(at.Slice(2, length));
    }
}
