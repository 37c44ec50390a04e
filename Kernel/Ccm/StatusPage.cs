// Region 0 as the partner reads it: docs/adr/0002-region-0.md lists these offsets. Two regions make
// it up: the page (readable by the partner) and the inbox (readable and writable by the partner,
// registered apart so that nothing the partner writes can reach what this node says of itself).
using System.Buffers.Binary;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Ccm;

/// <summary>Offsets and sizes of region 0, in bytes.</summary>
internal static class StatusPage
{
    /// <summary>Identity of the node and its boot; written once per boot.</summary>
    public const int IdentityOffset = 0x000, IdentityBytes = 64;

    /// <summary>Status word, beat and consumed count: three aligned words, read together.</summary>
    public const int StatusOffset = 0x100, BeatOffset = 0x108, ConsumedOffset = 0x110;

    /// <summary>What R1 and R2 read: identity to consumed count.</summary>
    public const int HeadBytes = 0x118;

    /// <summary>
    /// How many events this node has recorded; 0 where it has no ring. Read with the three.
    /// </summary>
    public const int RecordedOffset = 0x118;

    /// <summary>The four words that are read while a session stands.</summary>
    public const int StatusBytes = 32;

    /// <summary>Record n lies in slot n modulo the count.</summary>
    public const int OutboxOffset = 0x1000, SlotBytes = 32 * Size.KiB, SlotCount = 8;

    /// <summary>The ring of recorded events, behind all that a handshake needs.</summary>
    public const int RingOffset = OutboxOffset + (SlotBytes * SlotCount);

    /// <summary>Length of the page region.</summary>
    public const int PageBytes = RingOffset + EventSlot.RingBytes;

    /// <summary>The one word of the inbox region.</summary>
    public const int InboxWordOffset = 0, InboxBytes = Size.Page;

    /// <summary>Where the slot of a record starts.</summary>
    public static int SlotOffset(ulong record) =>
        OutboxOffset + ((int)(record % SlotCount) * SlotBytes);
}

/// <summary>Who a node is, in which boot; the first thing its partner ever reads of it.</summary>
internal readonly record struct Identity(ulong SystemId, Guid PairId, ulong BootEpoch)
{
    /// <summary>"StorgOS0" read as a little-endian word.</summary>
    public const ulong Magic = 0x30534F67726F7453;

    /// <summary>Version of region 0's layout.</summary>
    public const uint LayoutVersion = 1;

    /// <summary>Writes the 64 bytes.</summary>
    public void Write(Span<byte> page)
    {
        page[..StatusPage.IdentityBytes].Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(page, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(page[8..], LayoutVersion);
        BinaryPrimitives.WriteUInt64LittleEndian(page[16..], SystemId);
        _ = PairId.TryWriteBytes(page[24..]);
        BinaryPrimitives.WriteUInt64LittleEndian(page[40..], BootEpoch);
        BinaryPrimitives.WriteUInt32LittleEndian(page[60..], Crc32C.Of(page[..60]));
    }

    /// <summary>Reads what the partner wrote.</summary>
    /// <returns>
    /// Why it is not an identity; null when it is. A torn read shows as a wrong checksum: read
    /// again.
    /// </returns>
    public static Refusal? Read(ReadOnlySpan<byte> page, out Identity identity)
    {
        identity = default;
        ulong magic = BinaryPrimitives.ReadUInt64LittleEndian(page);
        if (magic != Magic)
        {
            return new("partner's status page", $"magic {Magic:x16}", $"{magic:x16}",
                "check the preset memory address and that the partner runs StorageOs");
        }

        uint version = BinaryPrimitives.ReadUInt32LittleEndian(page[8..]);
        if (version != LayoutVersion)
        {
            return new("partner's status page", $"layout version {LayoutVersion}", $"{version}",
                "run builds with a common layout on both nodes");
        }

        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(page[60..]);
        uint computed = Crc32C.Of(page[..60]);
        if (crc != computed)
        {
            return new("partner's identity", $"checksum {computed:x8}", $"{crc:x8}");
        }

        identity = new(
            BinaryPrimitives.ReadUInt64LittleEndian(page[16..]),
            new Guid(page.Slice(24, 16)),
            BinaryPrimitives.ReadUInt64LittleEndian(page[40..]));
        return null;
    }
}

/// <summary>How far a node is with the handshake, as its status word tells.</summary>
internal enum HandshakePhase : byte
{
    /// <summary>Not yet past its first write.</summary>
    None = 0,

    /// <summary>Its first write has completed: it reached us.</summary>
    Seen = 1,

    /// <summary>Its second write has completed.</summary>
    Confirmed = 2,

    /// <summary>Both have told each other that they are ready.</summary>
    Ready = 3,
}

/// <summary>
/// One aligned 8-byte word: boot phase (4 bits), handshake phase (4), attempt (24), tag (32).
/// </summary>
internal readonly record struct StatusWord(
    BootPhase Boot, HandshakePhase Handshake, uint Attempt, uint Tag)
{
    /// <summary>Attempts are counted modulo this.</summary>
    public const uint AttemptModulus = 1 << 24;

    /// <summary>The word as it lies in memory.</summary>
    public ulong Packed =>
        ((ulong)Boot & 0xf) | (((ulong)Handshake & 0xf) << 4)
        | ((ulong)(Attempt % AttemptModulus) << 8) | ((ulong)Tag << 32);

    /// <summary>Takes a word apart; any word is some status.</summary>
    public static StatusWord Unpack(ulong word) => new(
        (BootPhase)(word & 0xf),
        (HandshakePhase)((word >> 4) & 0xf),
        (uint)(word >> 8) % AttemptModulus,
        (uint)(word >> 32));
}

/// <summary>
/// One aligned 8-byte word that the partner writes: tag (32 bits) and level (32). Levels of one tag
/// only grow and a higher one implies every lower one, so a word overwritten unseen is not lost.
/// </summary>
internal readonly record struct InboxWord(uint Tag, uint Level)
{
    /// <summary>The partner has read our status page and could write to us.</summary>
    public const uint Seen = 1;

    /// <summary>The partner knows that we reached it, too.</summary>
    public const uint Confirmed = 2;

    /// <summary>The word as it lies in memory.</summary>
    public ulong Packed => Level | ((ulong)Tag << 32);

    /// <summary>How many records stand in the partner's outbox.</summary>
    public ulong Records => Level > Confirmed ? Level - Confirmed : 0;

    /// <summary>The word that says that so many records stand in our outbox.</summary>
    public static InboxWord Published(uint tag, ulong records) =>
        new(tag, (uint)(Confirmed + records));

    /// <summary>Takes a word apart.</summary>
    public static InboxWord Unpack(ulong word) => new((uint)(word >> 32), (uint)word);
}

/// <summary>The tag of two boots' two attempts.</summary>
internal static class SessionTag
{
    /// <summary>Never zero, which means no tag.</summary>
    public static uint Of(ulong lowEpoch, ulong highEpoch, uint lowAttempt, uint highAttempt)
    {
        Span<byte> all = stackalloc byte[24];
        BinaryPrimitives.WriteUInt64LittleEndian(all, lowEpoch);
        BinaryPrimitives.WriteUInt64LittleEndian(all[8..], highEpoch);
        BinaryPrimitives.WriteUInt32LittleEndian(all[16..], lowAttempt);
        BinaryPrimitives.WriteUInt32LittleEndian(all[20..], highAttempt);
        uint tag = Crc32C.Of(all);
        return tag == 0 ? 1 : tag;
    }
}
