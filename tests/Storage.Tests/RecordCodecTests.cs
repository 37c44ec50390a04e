using StorageOs.Contracts.Services;
using StorageOs.NvramMirror;

namespace StorageOs.Storage.Tests;

/// <summary>Records as bytes: what was changed or cut off is never accepted, and never
/// throws.</summary>
public sealed class RecordCodecTests
{
    private const int RingBytes = 16 * 1024;

    public static TheoryData<int, int> Kinds()
    {
        TheoryData<int, int> kinds = [];
        foreach (LogEntryKind kind in Enum.GetValues<LogEntryKind>())
        {
            bool carries = kind is LogEntryKind.Write or LogEntryKind.Copy or LogEntryKind.Compare;
            kinds.Add((int)kind, carries ? 500 : 0);
        }

        return kinds;
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void L2_EveryFlippedBitOfARecordIsRefused(int kind, int payload)
    {
        (byte[] ring, ulong lsn, RecordHeader made) = Make((LogEntryKind)kind, payload);
        Assert.True(RecordCodec.TryRead(ring, lsn, out RecordHeader read));
        Assert.Equal(made.Crc, read.Crc);
        int at = (int)(lsn % RingBytes);
        for (int bit = 0; bit < made.TotalBytes * 8; bit++)
        {
            ring[at + (bit / 8)] ^= (byte)(1 << (bit % 8));
            Assert.False(RecordCodec.TryRead(ring, lsn, out _), $"bit {bit}");
            Assert.Equal(lsn, LogScan.Run(ring, LogCursor.At(lsn), lsn + RingBytes).End);
            ring[at + (bit / 8)] ^= (byte)(1 << (bit % 8));
        }

        Assert.Equal(
            made.End, LogScan.Run(ring, LogCursor.At(lsn), lsn + RingBytes).End);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void L2_ARecordCutOffAtAnyByteIsRefused(int kind, int payload)
    {
        (byte[] ring, ulong lsn, RecordHeader made) = Make((LogEntryKind)kind, payload);
        int at = (int)(lsn % RingBytes);
        byte[] whole = ring.AsSpan(at, made.TotalBytes).ToArray();
        Random random = new(kind);
        for (int length = 0; length < whole.Length; length++)
        {
            Span<byte> place = ring.AsSpan(at, whole.Length);
            random.NextBytes(place); // Whatever stood there before.
            whole.AsSpan(0, length).CopyTo(place);
            bool same = place.SequenceEqual(whole);
            Assert.Equal(same, RecordCodec.TryRead(ring, lsn, out _));
        }
    }

    [Fact]
    public void L2_RandomBytesAreNoRecordsAndHostileLengthsDoNotThrow()
    {
        Random random = new(3);
        (byte[] ring, ulong lsn, RecordHeader made) = Make(LogEntryKind.Write, 500);
        int at = (int)(lsn % RingBytes);
        int[] hostile =
            [-1, int.MinValue, int.MaxValue, int.MaxValue - 63, RingBytes, RingBytes - 63, 0, 63];
        foreach (int offset in new[] { 40, 44, 56 }) // Length, payload, total.
        {
            foreach (int value in hostile)
            {
                byte[] spoiled = [.. ring];
                BitConverter.TryWriteBytes(spoiled.AsSpan(at + offset), value);
                Assert.False(RecordCodec.TryRead(spoiled, lsn, out _));
            }
        }

        for (int i = 0; i < 20_000; i++)
        {
            ulong from = (ulong)random.NextInt64();
            random.NextBytes(ring.AsSpan(at, 64));
            _ = RecordCodec.TryRead(ring, lsn, out _);
            Assert.False(RecordCodec.TryRead(ring, from, out _));
            Assert.Equal(from, LogScan.Run(ring, LogCursor.At(from), from + RingBytes).End);
        }
    }

    [Fact]
    public void L2_AGenerationBeginsWithItsOwnRecordOnly()
    {
        byte[] ring = new byte[RingBytes];
        RecordHeader first = Header(LogEntryKind.Trim, 0, 0);
        uint crc = RecordCodec.Write(ring, ref first, default);
        RecordHeader next = Header(LogEntryKind.Trim, 0, first.End);
        next.PreviousCrc = crc;
        next.Generation = first.Generation + 1;
        RecordCodec.Write(ring.AsSpan((int)first.End), ref next, default);
        Assert.Equal(first.End, LogScan.Run(ring, LogCursor.At(0), RingBytes).End);

        next.Kind = LogEntryKind.None;
        next.Control = ControlKind.GenerationStart;
        RecordCodec.Write(ring.AsSpan((int)first.End), ref next, default);
        Assert.Equal(next.End, LogScan.Run(ring, LogCursor.At(0), RingBytes).End);

        next.PreviousCrc ^= 1;
        RecordCodec.Write(ring.AsSpan((int)first.End), ref next, default);
        Assert.Equal(first.End, LogScan.Run(ring, LogCursor.At(0), RingBytes).End);
    }

    private static (byte[] Ring, ulong Lsn, RecordHeader Made) Make(LogEntryKind kind, int payload)
    {
        byte[] ring = new byte[RingBytes];
        byte[] bytes = new byte[payload];
        new Random(payload).NextBytes(bytes);
        ulong lsn = (7 * RingBytes) + 4096;
        RecordHeader header = Header(kind, payload, lsn);
        RecordCodec.Write(ring.AsSpan((int)(lsn % RingBytes)), ref header, bytes);
        return (ring, lsn, header);
    }

    private static RecordHeader Header(LogEntryKind kind, int payload, ulong lsn) => new()
    {
        Lsn = lsn,
        Term = 3,
        Generation = 9,
        PreviousCrc = 0x1234,
        Kind = kind,
        Control = kind == LogEntryKind.None ? ControlKind.GenerationStart : ControlKind.None,
        Volume = 1,
        Offset = 8192,
        Length = payload == 0 ? 4096 : payload,
        TotalBytes = RecordCodec.TotalBytes(payload),
    };
}
