using System.Runtime.InteropServices;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;

namespace ApplicationServer.Shared;

// Each twin has an inbox that the other writes, and nobody else but for one word:
//
//   0   tail    how far the writer has written                    (written by the twin)
//   8   taken   how far the twin has what we wrote it in its log  (written by the twin)
//   16  done    how far we have what stands here in our log       (written by ourselves)
//   4096…       a ring of frames
//
// A word is a position, which grows for as long as a session stands, under a tag of that meeting:
// what an earlier session left behind says nothing in this one. Writes of a port become visible in
// order, so whoever sees the tail sees the frames before it.

/// <summary>What both twins ask for, and how it is used.</summary>
internal static class Ring
{
    public const string Port = "records";
    public const string Inbox = "inbox";
    public const string Outbox = "outbox";
    public const int Bytes = 256 * 1024;
    public const int InboxBytes = FramesAt + Bytes;
    public const int FramesAt = Size.Page;
    public const int TailAt = 0;
    public const int TakenAt = 8;
    public const int DoneAt = 16;

    private const int PositionBits = 40;
    private const ulong PositionMask = (1UL << PositionBits) - 1;

    /// <summary>The tag of one meeting of the twins, alike on both nodes.</summary>
    public static uint TagOf(ClientGrant grant)
    {
        SessionId session = grant.Session;
        ReadOnlySpan<ulong> id =
        [
            session.LowEpoch, session.HighEpoch, session.LowAttempt, session.HighAttempt,
            grant.Meeting,
        ];
        return Crc32C.Of(MemoryMarshal.AsBytes(id)) >> (PositionBits - 32);
    }

    public static ulong Word(uint tag, long position) =>
        ((ulong)tag << PositionBits) | (ulong)position;

    public static (uint Tag, long Position) Read(Span<byte> inbox, int at)
    {
        ulong word = Volatile.Read(ref MemoryMarshal.AsRef<ulong>(inbox[at..]));
        return ((uint)(word >> PositionBits), (long)(word & PositionMask));
    }

    public static void Write(Span<byte> inbox, int at, ulong word) =>
        Volatile.Write(ref MemoryMarshal.AsRef<ulong>(inbox[at..]), word);
}
