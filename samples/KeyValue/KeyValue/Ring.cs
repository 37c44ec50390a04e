using System.Runtime.InteropServices;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;

namespace Sample.KeyValue;

// Each twin has an inbox that the other alone writes: how far the writer has written (tail), how
// far it has taken what we wrote it (taken), and a ring of frames. A word is a position that grows
// for as long as a session stands, under a tag of that session: what an earlier session left says
// nothing in this one. Writes of a port become visible in order, so whoever sees the tail sees the
// frames before it.

/// <summary>What both twins ask for, and how it is used.</summary>
internal static class Ring
{
    public const string Port = "writes";
    public const string Inbox = "inbox";
    public const string Outbox = "outbox";
    public const string Map = "map";
    public const int Bytes = 256 * 1024;
    public const int FramesAt = Size.Page;
    public const int InboxBytes = FramesAt + Bytes;
    public const int TailAt = 0;
    public const int TakenAt = 8;

    private const int PositionBits = 40;
    private const ulong PositionMask = (1UL << PositionBits) - 1;

    /// <summary>The tag of one meeting of the twins, alike on both nodes; never 0.</summary>
    public static uint TagOf(ClientGrant grant)
    {
        SessionId session = grant.Session;
        ReadOnlySpan<ulong> id =
        [
            session.LowEpoch, session.HighEpoch, session.LowAttempt, session.HighAttempt,
            grant.Meeting,
        ];
        return (Crc32C.Of(MemoryMarshal.AsBytes(id)) >> (PositionBits - 32)) | 1;
    }

    public static ulong Word(uint tag, long position) =>
        ((ulong)tag << PositionBits) | (ulong)position;

    public static (uint Tag, long Position) Split(ulong word) =>
        ((uint)(word >> PositionBits), (long)(word & PositionMask));

    public static (uint Tag, long Position) Read(Span<byte> inbox, int at) =>
        Split(Volatile.Read(ref MemoryMarshal.AsRef<ulong>(inbox[at..])));
}
