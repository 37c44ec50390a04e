using System.Buffers.Binary;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NvramMirror;

namespace StorageOs.Fuzz.Targets;

/// <summary>The header of a copy of a log.</summary>
internal sealed class LogHeaderTarget() : FixedTarget(LogHeader.Bytes)
{
    private const long Capacity = 1 << 20;
    private const int CrcAt = 12;
    private static readonly Guid Log = Guid.Parse("6f8d8a04-52b7-4a5c-9d0a-1f2e3d4c5b6a");

    /// <inheritdoc/>
    public override string Name => "log-header";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.NvramMirror.LogHeader"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        LogHeader header = LogHeader.Make(Log, Capacity, 3);
        yield return MemoryMarshal.AsBytes(new ReadOnlySpan<LogHeader>(in header)).ToArray();
    }

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        if (input.Length == LogHeader.Bytes)
        {
            input.Slice(CrcAt, sizeof(uint)).Clear();
            PutCrc(input, CrcAt, 0, LogHeader.Bytes);
        }
    }

    /// <inheritdoc/>
    protected override void Read(byte[] whole)
    {
        bool good = LogHeader.TryRead(whole, Capacity, out LogHeader header, out string why);
        Promise.Require(good == (why.Length == 0), "a header that is refused is told why");
        if (good)
        {
            LogHeader made = LogHeader.Make(header.LogId, Capacity, header.FormatId);
            Promise.Require(
                LogHeader.TryRead(
                    MemoryMarshal.AsBytes(new ReadOnlySpan<LogHeader>(in made)), Capacity,
                    out LogHeader again, out _)
                    && again.LogId == header.LogId && again.FormatId == header.FormatId,
                "a header that was read is read again when it was made");
        }
    }
}

/// <summary>
/// A ring of records, as the partner or a crash may have left it: first where the oldest is said to
/// start, and how much is said to be there.
/// </summary>
internal sealed class LogScanTarget() : FixedTarget(HeadBytes + RingBytes)
{
    private const int HeadBytes = 16;
    private const int RingBytes = 2048;
    private const ulong LsnMask = (1UL << 56) - LogLayout.Alignment;
    private readonly byte[] copy = new byte[RingBytes];

    /// <inheritdoc/>
    public override string Name => "log-scan";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types =>
        ["StorageOs.NvramMirror.RecordCodec", "StorageOs.NvramMirror.LogScan"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        yield return new byte[HeadBytes];
        yield return Made(0, 8);
        yield return Made(RingBytes - 256, 3);
    }

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        if (input.Length < HeadBytes + RingBytes)
        {
            return;
        }

        Span<byte> ring = input[HeadBytes..];
        (ulong at, ulong limit) = Bounds(input);
        uint previous = 0;
        for (ulong end = Math.Min(limit, at + RingBytes); at < end;)
        {
            Span<byte> record = ring[(int)(at % RingBytes)..];
            ref RecordHeader header = ref MemoryMarshal.AsRef<RecordHeader>(record);
            if (header.Magic == 0 || record.Length < RecordHeader.Bytes)
            {
                return;
            }

            header.Lsn = at;
            header.PreviousCrc = previous;
            bool pad = header.Control == ControlKind.Pad;
            header.TotalBytes = pad ? record.Length
                : Math.Clamp(
                    LogLayout.Align(RecordHeader.Bytes + (header.PayloadLength & 1023)),
                    RecordHeader.Bytes, record.Length);
            header.PayloadLength &= 1023;
            int covered = pad ? RecordHeader.Bytes : header.TotalBytes;
            header.Crc = previous = Crc32C.Of(record[8..covered]);
            at += (ulong)header.TotalBytes;
        }
    }

    /// <inheritdoc/>
    protected override void Read(byte[] whole)
    {
        ReadOnlySpan<byte> ring = whole.AsSpan(HeadBytes);
        (ulong head, ulong limit) = Bounds(whole);
        LogCursor found = LogScan.Run(ring, LogCursor.At(head), limit);
        Promise.Require(
            found.End >= head && found.End <= Math.Max(head, limit),
            "a scan ends within what it was given");
        Promise.Require(
            found.End - head <= RingBytes, "a record is found once");
        for (ulong at = head; at < found.End;)
        {
            Promise.Require(
                RecordCodec.TryRead(ring, at, out RecordHeader record)
                    && record.TotalBytes >= RecordHeader.Bytes,
                "a scan goes from record to record");
            CheckAgain(ring, record);
            at = record.End;
        }
    }

    /// <summary>What was read is read again when it was written.</summary>
    private void CheckAgain(ReadOnlySpan<byte> ring, RecordHeader record)
    {
        if (record.Control != ControlKind.Pad)
        {
            int position = (int)(record.Lsn % RingBytes);
            RecordHeader header = record;
            _ = RecordCodec.Write(
                copy.AsSpan(position), ref header,
                ring.Slice(position + RecordHeader.Bytes, record.PayloadLength));
            Promise.Require(
                RecordCodec.TryRead(copy, record.Lsn, out RecordHeader again)
                    && again.End == record.End && again.Kind == record.Kind,
                "a record that was read is read again when it was written");
        }
    }

    private static (ulong Head, ulong Limit) Bounds(ReadOnlySpan<byte> input)
    {
        ulong head = BinaryPrimitives.ReadUInt64LittleEndian(input) & LsnMask;
        return (head, head + (BinaryPrimitives.ReadUInt64LittleEndian(input[8..]) & LsnMask));
    }

    /// <summary>A ring of so many records, one of them as long as a pad needs.</summary>
    private static byte[] Made(ulong head, int count)
    {
        byte[] input = new byte[HeadBytes + RingBytes];
        Span<byte> ring = input.AsSpan(HeadBytes);
        ulong at = head;
        uint previous = 0;
        for (int i = 0; i < count; i++)
        {
            int payload = i % 3 == 0 ? 40 : 0;
            RecordHeader header = new()
            {
                Lsn = at,
                Term = 1,
                Generation = 1,
                Kind = i == 0 ? LogEntryKind.None
                    : payload > 0 ? LogEntryKind.Write : (LogEntryKind)(2 + (i % 6)),
                Control = i == 0 ? ControlKind.GenerationStart : ControlKind.None,
                PreviousCrc = previous,
            };
            payload = header.Kind is LogEntryKind.Write or LogEntryKind.Copy ? 40
                : header.Kind == LogEntryKind.Compare ? sizeof(uint) : 0;
            header.Length = payload;
            header.TotalBytes = RecordCodec.TotalBytes(payload);
            previous = RecordCodec.Write(
                ring[(int)(at % RingBytes)..], ref header, new byte[payload]);
            at = header.End;
        }

        BinaryPrimitives.WriteUInt64LittleEndian(input, head);
        BinaryPrimitives.WriteUInt64LittleEndian(input.AsSpan(8), at - head);
        return input;
    }
}

/// <summary>What the partner says of its log and its disk.</summary>
internal sealed class PartnerPageTarget() : FixedTarget(PartnerPage.Bytes)
{
    private const int CheckAt = (5 + IGroupLog.MismatchesKept) * sizeof(ulong);

    /// <inheritdoc/>
    public override string Name => "partner-page";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.NvramMirror.PartnerPage"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        PartnerPage page = PartnerPage.Make(
            3, 4096, [64, 128], new DiskFacts(5, 6, new Term(7)));
        yield return MemoryMarshal.AsBytes(new ReadOnlySpan<PartnerPage>(in page)).ToArray();
    }

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        if (input.Length == PartnerPage.Bytes)
        {
            input.Slice(CheckAt, sizeof(uint)).Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(input[CheckAt..], ~Crc32C.Of(input));
        }
    }

    /// <inheritdoc/>
    protected override void Read(byte[] whole)
    {
        if (PartnerPage.TryRead(whole, out PartnerPage page))
        {
            PartnerPage made = PartnerPage.Make(
                page.Generation, page.Flushed, page.Mismatches,
                new DiskFacts(page.DiskId, page.DiskPairedWith, new Term(page.DiskAloneUnder)));
            Promise.Require(
                PartnerPage.TryRead(
                    MemoryMarshal.AsBytes(new ReadOnlySpan<PartnerPage>(in made)),
                    out PartnerPage again)
                    && again.Flushed == page.Flushed && again.DiskId == page.DiskId
                    && ((ReadOnlySpan<ulong>)again.Mismatches).SequenceEqual(page.Mismatches),
                "a page that was read is read again when it was made");
        }
    }
}

/// <summary>A node's own file of what it knows of its log.</summary>
internal sealed class LogFactsTarget : Target
{
    private const int SlotBytes = 512;
    private readonly MemoryStableFile file = new();

    /// <inheritdoc/>
    public override string Name => "log-facts";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.NvramMirror.LogFacts"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        file.Set([]);
        using LogFacts facts = LogFacts.Open(file, durable: false);
        (facts.LogId, facts.FormatId, facts.Flushed) = (Entries.One.RegisterId, 2, 3);
        (facts.Forgot, facts.ForgotWhy, facts.MachineBootId) = (true, "it was formatted", "boot");
        byte[] both = new byte[2 * SlotBytes];
        for (int i = 0; i < 2; i++)
        {
            facts.Save(sync: false);
            int count = file.Read(both, 0);
            yield return both[..count];
        }
    }

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        for (int at = 0; at + SlotBytes <= input.Length; at += SlotBytes)
        {
            Span<byte> slot = input.Slice(at, SlotBytes);
            BinaryPrimitives.WriteUInt32LittleEndian(slot[4..], Crc32C.Of(slot[8..]));
        }
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        file.Set(input);
        using LogFacts facts = LogFacts.Open(file, durable: false);
        if (facts.Fresh || Sequences.AnyLast(input, SlotBytes))
        {
            return;
        }

        facts.Save(sync: true);
        using LogFacts again = LogFacts.Open(file, durable: false);
        Promise.Require(
            !again.Fresh && again.LogId == facts.LogId && again.FormatId == facts.FormatId
                && again.Flushed == facts.Flushed
                && again.PartnerFlushed == facts.PartnerFlushed && again.Forgot == facts.Forgot
                && again.Lost == facts.Lost
                && facts.ForgotWhy.StartsWith(again.ForgotWhy, StringComparison.Ordinal)
                && facts.MachineBootId.StartsWith(again.MachineBootId, StringComparison.Ordinal),
            "facts that were read are read again when they were saved");
    }
}

/// <summary>
/// Numbers of slots written in turn. They begin at 0 and grow by one with each write, so the last
/// number there is is never come to; a file that has it cannot be written in order.
/// </summary>
internal static class Sequences
{
    /// <summary>Whether a slot has that number, at its ninth byte.</summary>
    public static bool AnyLast(ReadOnlySpan<byte> file, int slotBytes)
    {
        for (int at = 8; at + sizeof(ulong) <= file.Length; at += slotBytes)
        {
            if (BinaryPrimitives.ReadUInt64LittleEndian(file[at..]) == ulong.MaxValue)
            {
                return true;
            }
        }

        return false;
    }
}
