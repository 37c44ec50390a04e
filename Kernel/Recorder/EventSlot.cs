// One event as it lies in a ring: a slot of fixed length, so that a reader who finds one damaged
// still knows where the next begins, and a writer needs nobody's leave: it takes a number, and the
// number is the slot. docs/adr/0012 lists the offsets. A slot is believed when its checksum holds,
// and by nothing else: who reads may be another process, on another node, in mid-write.
using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Kernel.Recorder;

/// <summary>Layout of a slot and of the ring of them.</summary>
internal static class EventSlot
{
    /// <summary>Length of a slot.</summary>
    public const int Bytes = 512;

    /// <summary>Slots of a ring: some days of a quiet pair, several losses of a busy one.</summary>
    public const int Count = 256;

    /// <summary>Length of a ring.</summary>
    public const int RingBytes = Bytes * Count;

    private const int EpochAt = 8, MonotonicAt = 16, WallAt = 24;
    private const int LowEpochAt = 32, HighEpochAt = 40, LowAttemptAt = 48, HighAttemptAt = 52;
    private const int TermAt = 56, LevelAt = 64, GroupAt = 65, LengthsAt = 66;
    private const int SeverityAt = 74, ChecksumAt = 76;
    private const int TextAt = 80, TextBytesMax = Bytes - TextAt;
    private const long WallMax = 200_000_000L * 1_000_000_000; // The year 8307.
    private const int SourceBytesMax = 40, NameBytesMax = 32, FactsBytesMax = 120;
    private static ReadOnlySpan<byte> Cut => "…"u8;

    /// <summary>Where in a ring an event lies.</summary>
    public static int OffsetOf(ulong sequence) => (int)(sequence % Count) * Bytes;

    /// <summary>Fills a slot; texts that are too long are cut.</summary>
    public static void Write(Span<byte> slot, RecordedEvent what)
    {
        slot[..Bytes].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(slot, what.Sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[EpochAt..], what.Epoch);
        BinaryPrimitives.WriteInt64LittleEndian(slot[MonotonicAt..], what.Monotonic);
        BinaryPrimitives.WriteInt64LittleEndian(slot[WallAt..], what.Wall);
        SessionId session = what.Session ?? default;
        BinaryPrimitives.WriteUInt64LittleEndian(slot[LowEpochAt..], session.LowEpoch);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[HighEpochAt..], session.HighEpoch);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[LowAttemptAt..], session.LowAttempt);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[HighAttemptAt..], session.HighAttempt);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[TermAt..], what.Term);
        slot[LevelAt] = (byte)what.Level;
        slot[SeverityAt] = (byte)what.Severity;
        slot[GroupAt] = (byte)(what.Group is { } group ? group.Value + 1 : 0);
        Span<byte> text = slot.Slice(TextAt, TextBytesMax);
        int used = 0;
        PutText(slot, 0, text, SourceBytesMax, what.Source, ref used);
        PutText(slot, 1, text, NameBytesMax, what.Name, ref used);
        PutText(slot, 2, text, FactsBytesMax, what.Facts, ref used);
        PutText(slot, 3, text, TextBytesMax, what.Text, ref used);
        BinaryPrimitives.WriteUInt32LittleEndian(slot[ChecksumAt..], Checksum(slot));
    }

    /// <summary>Number of the event in a slot; 0 when there is none or it is damaged.</summary>
    public static ulong SequenceOf(ReadOnlySpan<byte> slot) => IsWhole(slot)
        ? BinaryPrimitives.ReadUInt64LittleEndian(slot) : 0;

    /// <summary>Whether nothing was ever written there.</summary>
    public static bool IsEmpty(ReadOnlySpan<byte> slot) =>
        !slot[..Bytes].ContainsAnyExcept((byte)0);

    /// <summary>Takes a slot apart; null when it is damaged.</summary>
    public static RecordedEvent? Read(ReadOnlySpan<byte> slot)
    {
        ReadOnlySpan<byte> text = slot.Slice(TextAt, TextBytesMax);
        int used = 0;
        long monotonic = BinaryPrimitives.ReadInt64LittleEndian(slot[MonotonicAt..]);
        long wall = BinaryPrimitives.ReadInt64LittleEndian(slot[WallAt..]);
        if (!IsWhole(slot) || monotonic < 0 || wall is < 0 or > WallMax
            || slot[LevelAt] > (byte)LogLevel.Critical || slot[GroupAt] > GroupId.Count
            || slot[SeverityAt] > (byte)EventSeverity.Critical
            || GetText(slot, 0, text, ref used) is not { } source
            || GetText(slot, 1, text, ref used) is not { } name
            || GetText(slot, 2, text, ref used) is not { } facts
            || GetText(slot, 3, text, ref used) is not { } said)
        {
            return null;
        }

        SessionId session = new(
            BinaryPrimitives.ReadUInt64LittleEndian(slot[LowEpochAt..]),
            BinaryPrimitives.ReadUInt64LittleEndian(slot[HighEpochAt..]),
            BinaryPrimitives.ReadUInt32LittleEndian(slot[LowAttemptAt..]),
            BinaryPrimitives.ReadUInt32LittleEndian(slot[HighAttemptAt..]));
        return new RecordedEvent
        {
            Sequence = BinaryPrimitives.ReadUInt64LittleEndian(slot),
            Epoch = BinaryPrimitives.ReadUInt64LittleEndian(slot[EpochAt..]),
            Monotonic = monotonic,
            Wall = wall,
            Session = session == default ? null : session,
            Term = BinaryPrimitives.ReadUInt64LittleEndian(slot[TermAt..]),
            Group = slot[GroupAt] == 0 ? null : new GroupId((byte)(slot[GroupAt] - 1)),
            Level = (LogLevel)slot[LevelAt],
            Severity = SeverityOf(slot),
            Source = source,
            Name = name,
            Facts = facts,
            Text = said,
        };
    }

    /// <summary>Builds before there were severities left it zero.</summary>
    private static EventSeverity SeverityOf(ReadOnlySpan<byte> slot) => slot[SeverityAt] != 0
        ? (EventSeverity)slot[SeverityAt]
        : NodeEvent.SeverityOf((LogLevel)slot[LevelAt], default);

    private static bool IsWhole(ReadOnlySpan<byte> slot) =>
        BinaryPrimitives.ReadUInt64LittleEndian(slot) != 0
        && BinaryPrimitives.ReadUInt32LittleEndian(slot[ChecksumAt..]) == Checksum(slot);

    private static uint Checksum(ReadOnlySpan<byte> slot) => ~Crc32C.Extend(
        Crc32C.Extend(~0u, slot[..ChecksumAt]), slot[(ChecksumAt + sizeof(uint))..Bytes]);

    private static void PutText(
        Span<byte> slot, int index, Span<byte> all, int limit, string text, ref int used)
    {
        Span<byte> room = all[used..];
        room = room[..Math.Min(limit, room.Length)];
        bool cut = Encoding.UTF8.GetByteCount(text) > room.Length;
        _ = Utf8.FromUtf16(
            text, cut ? room[..Math.Max(0, room.Length - Cut.Length)] : room, out _,
            out int written, replaceInvalidSequences: true);
        if (cut && room.Length >= written + Cut.Length)
        {
            Cut.CopyTo(room[written..]);
            written += Cut.Length;
        }

        BinaryPrimitives.WriteUInt16LittleEndian(
            slot[(LengthsAt + (index * sizeof(ushort)))..], (ushort)written);
        used += written;
    }

    /// <summary>
    /// A text without what would move a terminal's cursor: it may be the partner's.
    /// </summary>
    private static string? GetText(
        ReadOnlySpan<byte> slot, int index, ReadOnlySpan<byte> all, ref int used)
    {
        int length = BinaryPrimitives.ReadUInt16LittleEndian(
            slot[(LengthsAt + (index * sizeof(ushort)))..]);
        if (length > all.Length - used)
        {
            return null;
        }

        string text = Encoding.UTF8.GetString(all.Slice(used, length));
        used += length;
        return text.Any(char.IsControl)
            ? string.Create(text.Length, text, static (to, from) =>
            {
                for (int i = 0; i < to.Length; i++)
                {
                    to[i] = char.IsControl(from[i]) ? ' ' : from[i];
                }
            })
            : text;
    }
}
