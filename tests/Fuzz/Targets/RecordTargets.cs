using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;
using StorageOs.FailoverMonitor.Edge;
using StorageOs.Volumes.Core;
using StorageOs.Witness.Etcd;
using StorageOs.Witness.File;

namespace StorageOs.Fuzz.Targets;

/// <summary>An entry of the register, for seeds.</summary>
internal static class Entries
{
    /// <summary>One of group 0.</summary>
    public static RegisterEntry One { get; } = new(
        Guid.Parse("6f8d8a04-52b7-4a5c-9d0a-1f2e3d4c5b6a"), new GroupId(0), new Term(5), 1,
        SyncState.Stale, 2, new Lsn(4096), Guid.Parse("11111111-52b7-4a5c-9d0a-1f2e3d4c5b6a"));
}

/// <summary>The file of a volume group's record of changes.</summary>
internal sealed class ChangeRecordTarget : Target
{
    private const string Boot = "this boot";
    private const ulong NewDisk = 99;
    private static readonly Granules Cut = new([130 << 20, 3 << 20]);
    private static readonly Granules CutOther = new([70 << 20]);
    private readonly byte[] file = new byte[RecordCodec.FileBytes(Cut.Count)];

    /// <inheritdoc/>
    public override string Name => "change-record";

    /// <inheritdoc/>
    public override int BytesMax => RecordCodec.FileBytes(Cut.Count);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.Volumes.Core.RecordCodec"];

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 64_000 + (64L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        ChangeRecord record = new(Cut, 7, Boot);
        yield return [];
        yield return Written(record, 1);
        record.Open(3);
        record.Mark(0, 1 << 20, 4096, mirrored: false);
        record.Mark(1, 0, 1 << 20, mirrored: true);
        yield return Written(record, 2);
        record.DoubtAll("for a seed");
        yield return Written(record, 3);
    }

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        for (int at = 0; at + RecordCodec.PageBytes <= input.Length; at += RecordCodec.PageBytes)
        {
            if (input.Slice(at, RecordCodec.PageBytes).ContainsAnyExcept((byte)0))
            {
                BinaryPrimitives.WriteUInt32LittleEndian(
                    input[at..], Crc32C.Of(input.Slice(at + 4, RecordCodec.PageBytes - 4)));
            }
        }
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        bool trusted = input.Length > 0 && (input[^1] & 1) == 0;
        _ = RecordCodec.Read(input, CutOther, Boot, trusted, NewDisk, out _);
        ChangeRecord record = RecordCodec.Read(
            input, Cut, Boot, trusted, NewDisk, out ulong sequence);
        Promise.Require(
            record.Changed.Count <= Cut.Count && record.Copied.Count <= Cut.Count,
            "no more is changed than there is");
        Promise.Require(
            record.Changed.Next(0) <= Cut.Count, "only what there is is changed");
        if (sequence == ulong.MaxValue)
        {
            return; // The last number there is is never come to.
        }

        ChangeRecord again = RecordCodec.Read(
            Written(record, sequence + 1), Cut, Boot, trusted, NewDisk, out _);
        Promise.Require(
            again.DiskId == record.DiskId && again.PairedWith == record.PairedWith
                && again.IsOpen == record.IsOpen && again.Term == record.Term
                && again.Epoch == record.Epoch
                && record.Why.StartsWith(again.Why, StringComparison.Ordinal)
                && (!record.IsOpen || SameWords(again.Changed, record.Changed)),
            "a record that was read is read again when it was written");
    }

    private static bool SameWords(GranuleSet left, GranuleSet right) =>
        left.Words.SequenceEqual(right.Words);

    private byte[] Written(ChangeRecord record, ulong sequence)
    {
        Array.Clear(file);
        RecordCodec.WriteHeader(record, sequence, file.AsSpan(0, RecordCodec.PageBytes));
        for (int page = 0; page < RecordCodec.PagesOf(Cut.Count); page++)
        {
            int at = RecordCodec.PagesAt + (page * RecordCodec.PageBytes);
            RecordCodec.WritePage(record, page, file.AsSpan(at, RecordCodec.PageBytes));
        }

        return [.. file];
    }
}

/// <summary>What the partner's monitor says of both groups.</summary>
internal sealed class ViewPageTarget() : FixedTarget(ViewPage.Bytes)
{
    private const int CrcAt = ViewPage.Bytes - 16;
    private readonly byte[] again = new byte[ViewPage.Bytes];

    /// <inheritdoc/>
    public override string Name => "view-page";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.FailoverMonitor.Edge.ViewPage"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        GroupView view = new(
            Entries.One.RegisterId, Entries.One, LogRole.Mirrored, SwapIntent.Mark, new Term(6),
            false, 1, 1, "not now");
        byte[] page = new byte[ViewPage.Bytes];
        new ViewPage(new SessionId(1, 2, 3, 4), 5, [view, view with { Entry = null }])
            .Encode(page, 6);
        yield return page;
    }

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        if (input.Length == ViewPage.Bytes)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(
                input[CrcAt..], Crc32C.Of(input[..CrcAt]));
            input[..sizeof(ulong)].CopyTo(input[(CrcAt + sizeof(ulong))..]);
        }
    }

    /// <inheritdoc/>
    protected override void Read(byte[] whole)
    {
        if (ViewPage.Decode(whole) is not { } page)
        {
            return;
        }

        page.Encode(again, 9);
        ViewPage? second = ViewPage.Decode(again);
        Promise.Require(
            second is not null && second.Session == page.Session && second.Epoch == page.Epoch,
            "a page that was read is read again when it was written");
        for (int group = 0; group < GroupId.Count; group++)
        {
            (GroupView first, GroupView next) = (page.Groups[group], second!.Groups[group]);
            Promise.Require(
                next == first with
                {
                    Answer = next.Answer,
                    Overrides = next.Overrides,
                    Vetoes = next.Vetoes,
                }
                    && IsCut(first.Answer, next.Answer) && IsCut(first.Overrides, next.Overrides)
                    && AreSame(first.Vetoes ?? [], next.Vetoes ?? []),
                "a view that was read is read again when it was written");
        }
    }

    /// <summary>Text of bytes that are none grows when it is written, and is cut.</summary>
    private static bool IsCut(string whole, string cut) =>
        whole.StartsWith(cut, StringComparison.Ordinal);

    private static bool AreSame(
        IReadOnlyList<HandoverVeto> first, IReadOnlyList<HandoverVeto> next) =>
        first.Count == next.Count && first.Zip(next).All(static both =>
            both.First.Since == both.Second.Since && IsCut(both.First.Who, both.Second.Who)
            && IsCut(both.First.Why, both.Second.Why)
            && IsCut(both.First.Remedy, both.Second.Remedy));
}

/// <summary>A monitor's own file of the swaps it has under way.</summary>
internal sealed class MemoryFileTarget : Target
{
    private const int SlotBytes = 512;
    private const int CrcAt = 64;
    private readonly MemoryStableFile file = new();

    /// <inheritdoc/>
    public override string Name => "memory-file";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.FailoverMonitor.Edge.MemoryFile"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        file.Set([]);
        using MemoryFile memory = new(file, "seed", PersistenceLevel.Process);
        byte[] both = new byte[2 * SlotBytes];
        for (ulong term = 1; term < 3; term++)
        {
            memory.Write(new DurableMemory(
                Entries.One.RegisterId, new Term(term), new Term(term), SwapIntent.Takeover));
            int count = file.Read(both, 0);
            yield return both[..count];
        }
    }

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        for (int at = 0; at + CrcAt + sizeof(uint) <= input.Length; at += SlotBytes)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(
                input[(at + CrcAt)..], Crc32C.Of(input.Slice(at, CrcAt)));
        }
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        file.Set(input);
        try
        {
            using MemoryFile memory = new(file, "input", PersistenceLevel.Process);
            if (Sequences.AnyLast(input, SlotBytes))
            {
                return;
            }

            DurableMemory next = memory.Memory with { HighestTerm = new Term(77) };
            memory.Write(next);
            using MemoryFile again = new(file, "input", PersistenceLevel.Process);
            Promise.Require(again.Memory == next, "what was written last is what is read");
        }
        catch (RefusedException)
        {
            Promise.Require(
                input.ContainsAnyExcept((byte)0), "a file of nothing is not refused");
        }
    }
}

/// <summary>A node's own record of a group's register entry (rule S13).</summary>
internal sealed class RecordFileTarget() : FixedTarget(2 * RecordFile.SlotBytes)
{
    private const int CrcAt = 128;
    private readonly byte[] again = new byte[2 * RecordFile.SlotBytes];

    /// <inheritdoc/>
    public override string Name => "record-file";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.FailoverMonitor.Edge.RecordFile"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        yield return RecordFile.Encode(Entries.One, 1);
        yield return
        [
            .. RecordFile.Encode(Entries.One, 3),
            .. RecordFile.Encode(Entries.One with { Term = new Term(6) }, 4),
        ];
    }

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        for (int at = 0; at + CrcAt + sizeof(uint) <= input.Length; at += RecordFile.SlotBytes)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(
                input[(at + CrcAt)..], Crc32C.Of(input.Slice(at, CrcAt)));
        }
    }

    /// <inheritdoc/>
    protected override void Read(byte[] whole)
    {
        if (RecordFile.Best(whole, Entries.One.Group) is { } best)
        {
            Array.Clear(again);
            RecordFile.Encode(best.Entry, best.Number)
                .CopyTo(again.AsSpan(best.Index * RecordFile.SlotBytes));
            Promise.Require(
                RecordFile.Best(again, Entries.One.Group) == best,
                "a record that was read is read again when it was written");
        }
    }
}

/// <summary>A term's file of the witness in files.</summary>
internal sealed class TermFileTarget : Target
{
    private const int CrcAt = TermFile.Bytes - sizeof(uint);

    /// <inheritdoc/>
    public override string Name => "term-file";

    /// <inheritdoc/>
    public override int BytesMax => 2 * TermFile.Bytes;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.Witness.File.TermFile"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() =>
    [
        TermFile.Encode(Entries.One), TermFile.Encode(Entries.One with { Sync = SyncState.Moved }),
        TermFile.Encode(Entries.One with { Group = new GroupId(1) }),
        TermFile.Encode(Entries.One with { Term = new Term(6) }),
    ];

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        if (input.Length == TermFile.Bytes)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(
                input[CrcAt..], Crc32C.Of(input[..CrcAt]));
        }
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        RegisterEntry? entry = TermFile.Decode(
            input, Entries.One.Group, Entries.One.Term, out string wrong);
        Promise.Require(entry is null == wrong.Length > 0, "what is refused is told why");
        Promise.Require(
            entry is null || TermFile.Decode(
                TermFile.Encode(entry), entry.Group, entry.Term, out _) == entry,
            "an entry that was read is read again when it was written");
    }
}

/// <summary>A register entry as etcd keeps it.</summary>
internal sealed class RegisterTextTarget : Target
{
    private const int ChecksumBytes = 9;

    /// <inheritdoc/>
    public override string Name => "register-text";

    /// <inheritdoc/>
    public override int BytesMax => RegisterText.BytesMax + 16;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.Witness.Etcd.RegisterText"];

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 64_000 + (64L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() =>
    [
        RegisterText.Encode(Entries.One),
        RegisterText.Encode(Entries.One with { Sync = SyncState.InSync, StaleNode = 0 }),
        RegisterText.Encode(Entries.One with { Group = new GroupId(1) }),
    ];

    /// <inheritdoc/>
    public override void Repair(Span<byte> input)
    {
        if (input.Length > ChecksumBytes)
        {
            string sum = Crc32C.Of(input[..^ChecksumBytes])
                .ToString("x8", CultureInfo.InvariantCulture);
            _ = Encoding.ASCII.GetBytes("\n" + sum, input[^ChecksumBytes..]);
        }
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        RegisterEntry? entry = RegisterText.Decode(input, Entries.One.Group, out string wrong);
        Promise.Require(entry is null == wrong.Length > 0, "what is refused is told why");
        Promise.Require(
            entry is null
                || RegisterText.Decode(RegisterText.Encode(entry), entry.Group, out _) == entry,
            "an entry that was read is read again when it was written");
    }
}
