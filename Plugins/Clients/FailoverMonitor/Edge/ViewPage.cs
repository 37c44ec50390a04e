using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>What both nodes say of both groups; read one-sidedly, so it may be torn.</summary>
/// <param name="Session">
/// The session the writer was in; a reader in another refuses it (S7).
/// </param>
/// <param name="Epoch">The writer's boot.</param>
/// <param name="Groups">By group.</param>
internal sealed record ViewPage(SessionId Session, ulong Epoch, IReadOnlyList<GroupView> Groups)
{
    /// <summary>Bytes that are read and written; the region is a page.</summary>
    public const int Bytes = 2048;

    private const ulong Magic = 0x3230_5749_5653_4F53; // "SOSVIW02"
    private const int GroupStart = 64;
    private const int GroupBytes = 960;
    private const int OverridesBytesOffset = 22;
    private const int FlagsOffset = 23;
    private const int AnswerBytesOffset = 112;
    private const int AnswerOffset = 116;
    private const int AnswerBytesMax = OverridesOffset - AnswerOffset;
    private const int OverridesOffset = 320;
    private const byte MayTakeFlag = 1;
    private const byte OffersFlag = 2;
    private const int VetoesOffset = OverridesOffset + OverridesBytesMax;
    private const int CrcOffset = Bytes - 16;
    private const int EndOffset = Bytes - 8;

    /// <summary>Most bytes of the names whose vetoes a request overrides.</summary>
    public const int OverridesBytesMax = 64;

    /// <summary>Writes the page with a sequence number at both ends and a checksum.</summary>
    public void Encode(Span<byte> bytes, ulong sequence)
    {
        bytes[..Bytes].Clear();
        Put(bytes, 0, sequence);
        Put(bytes, 8, Magic);
        Put(bytes, 16, Epoch);
        Put(bytes, 24, Session.LowEpoch);
        Put(bytes, 32, Session.HighEpoch);
        Put(bytes, 40, ((ulong)Session.HighAttempt << 32) | Session.LowAttempt);
        for (int group = 0; group < Groups.Count; group++)
        {
            EncodeGroup(bytes.Slice(GroupStart + (group * GroupBytes), GroupBytes), Groups[group]);
        }

        Put(bytes, CrcOffset, Crc32C.Of(bytes[..CrcOffset]));
        Put(bytes, EndOffset, sequence);
    }

    /// <summary>Reads a page; null when it is torn, garbage or not written yet.</summary>
    public static ViewPage? Decode(ReadOnlySpan<byte> bytes)
    {
        ulong sequence = Get(bytes, 0);
        if (Get(bytes, 8) != Magic || sequence != Get(bytes, EndOffset)
            || Get(bytes, CrcOffset) != Crc32C.Of(bytes[..CrcOffset]))
        {
            return null;
        }

        ulong attempts = Get(bytes, 40);
        SessionId session = new(
            Get(bytes, 24), Get(bytes, 32), (uint)attempts, (uint)(attempts >> 32));
        GroupView[] groups = new GroupView[GroupId.Count];
        for (byte group = 0; group < groups.Length; group++)
        {
            GroupView? view = DecodeGroup(
                bytes.Slice(GroupStart + (group * GroupBytes), GroupBytes), new GroupId(group));
            if (view is null)
            {
                return null;
            }

            groups[group] = view.Value;
        }

        return new ViewPage(session, Get(bytes, 16), groups);
    }

    private static void EncodeGroup(Span<byte> bytes, GroupView view)
    {
        view.RecordedRegister.TryWriteBytes(bytes);
        bytes[17] = (byte)view.Role;
        bytes[18] = (byte)view.Undecided;
        bytes[19] = view.Forgot ? (byte)1 : (byte)0;
        bytes[21] = view.NoWitness ? (byte)1 : (byte)0;
        if (view.Entry is RegisterEntry entry)
        {
            bytes[16] = 1;
            bytes[20] = (byte)entry.Sync;
            entry.RegisterId.TryWriteBytes(bytes[24..]);
            Put(bytes, 40, entry.Term.Value);
            Put(bytes, 48, entry.Owner);
            Put(bytes, 56, entry.StaleNode);
            Put(bytes, 64, entry.StaleSince.Value);
            entry.SwapId.TryWriteBytes(bytes[72..]);
        }

        Put(bytes, 88, view.UndecidedTerm.Value);
        Put(bytes, 96, view.Request);
        Put(bytes, 104, view.AnsweredRequest);
        int written = PutText(view.Answer, bytes.Slice(AnswerOffset, AnswerBytesMax));
        BinaryPrimitives.WriteInt32LittleEndian(bytes[AnswerBytesOffset..], written);
        bytes[OverridesBytesOffset] = (byte)PutText(
            view.Overrides, bytes.Slice(OverridesOffset, OverridesBytesMax));
        bytes[FlagsOffset] = (byte)(
            (view.MayTake ? MayTakeFlag : 0) | (view.Offers ? OffersFlag : 0));
        VetoSlots.Encode(bytes[VetoesOffset..], view.Vetoes ?? []);
    }

    /// <summary>What does not fit is cut between two characters.</summary>
    internal static int PutText(string text, Span<byte> bytes)
    {
        _ = Utf8.FromUtf16(text, bytes, out _, out int written);
        return written;
    }

    private static GroupView? DecodeGroup(ReadOnlySpan<byte> bytes, GroupId group)
    {
        int answer = BinaryPrimitives.ReadInt32LittleEndian(bytes[AnswerBytesOffset..]);
        if (bytes[16] > 1 || bytes[17] > (byte)LogRole.Alone
            || bytes[18] > (byte)SwapIntent.Handover
            || bytes[19] > 1 || bytes[21] > 1 || bytes[20] > (byte)SyncState.Stale
            || answer < 0 || answer > AnswerBytesMax
            || bytes[OverridesBytesOffset] > OverridesBytesMax
            || VetoSlots.Decode(bytes[VetoesOffset..]) is not { } vetoes)
        {
            return null;
        }

        RegisterEntry? entry = bytes[16] == 0 ? null : new RegisterEntry(
            new Guid(bytes.Slice(24, 16)), group, new Term(Get(bytes, 40)), Get(bytes, 48),
            (SyncState)bytes[20], Get(bytes, 56), new Lsn(Get(bytes, 64)),
            new Guid(bytes.Slice(72, 16)));
        return new GroupView(
            new Guid(bytes[..16]), entry, (LogRole)bytes[17], (SwapIntent)bytes[18],
            new Term(Get(bytes, 88)), bytes[19] == 1, Get(bytes, 96), Get(bytes, 104),
            Encoding.UTF8.GetString(bytes.Slice(AnswerOffset, answer)),
            bytes[21] == 1,
            vetoes,
            Encoding.UTF8.GetString(bytes.Slice(OverridesOffset, bytes[OverridesBytesOffset])),
            (bytes[FlagsOffset] & MayTakeFlag) != 0,
            (bytes[FlagsOffset] & OffersFlag) != 0);
    }

    private static void Put(Span<byte> bytes, int offset, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[offset..], value);

    private static ulong Get(ReadOnlySpan<byte> bytes, int offset) =>
        BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);
}
