using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using StorageOs.Contracts.Runtime;

namespace StorageOs.NvramMirror;

/// <summary>
/// What a node must know of its copy and the partner must not be able to write: kept in a small
/// file of its own. Two slots written in turn, each under a sequence number and a CRC, so that a
/// write that was cut off leaves the one before. Reactor thread only.
/// </summary>
internal sealed class LogFacts : IDisposable
{
    private const int SlotBytes = 512;
    private const uint MagicValue = 0x5443_4146; // "FACT"
    private const int TextAt = 80;
    private const int TextBytesMax = 160;

    private readonly IStableFile file;
    private readonly bool durable;
    private readonly byte[] slot = new byte[SlotBytes];
    private ulong sequence;

    private LogFacts(IStableFile file, bool durable)
    {
        this.file = file;
        this.durable = durable;
    }

    /// <summary>Whether the file held nothing readable when it was opened.</summary>
    public bool Fresh { get; private set; } = true;

    /// <summary>Id of the log that the facts are about.</summary>
    public Guid LogId { get; set; }

    /// <summary>Format of the copy that the facts are about.</summary>
    public ulong FormatId { get; set; }

    /// <summary>Up to here this node's disk holds everything.</summary>
    public ulong Flushed { get; set; }

    /// <summary>Up to here the partner's disk holds everything, as it last said.</summary>
    public ulong PartnerFlushed { get; set; }

    /// <summary>Rule L7: the copy may lack what it acknowledged.</summary>
    public bool Forgot { get; set; }

    /// <summary>
    /// With <see cref="Forgot"/>: found so since this copy was last made anew. An InSync that was
    /// under way meanwhile speaks of what is no more, and does not clear the mark.
    /// </summary>
    public bool Lost { get; set; }

    /// <summary>Why; cut to 160 bytes of UTF-8.</summary>
    public string ForgotWhy { get; set; } = "";

    /// <summary>Boot of the machine in which the copy was last used.</summary>
    public string MachineBootId { get; set; } = "";

    /// <summary>Takes what the file holds.</summary>
    /// <param name="file">The file; the facts' from here on.</param>
    /// <param name="durable">Whether <see cref="Save"/> may be asked to flush to stable
    /// storage.</param>
    public static LogFacts Open(IStableFile file, bool durable)
    {
        LogFacts facts = new(file, durable);
        for (int i = 0; i < 2; i++)
        {
            if (file.Read(facts.slot, i * SlotBytes) == SlotBytes)
            {
                facts.Take();
            }
        }

        return facts;
    }

    /// <summary>Writes the facts. With <paramref name="sync"/> they survive a power loss, where
    /// configured.</summary>
    public void Save(bool sync)
    {
        sequence++;
        Span<byte> at = slot;
        at.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(at, MagicValue);
        BinaryPrimitives.WriteUInt64LittleEndian(at[8..], sequence);
        LogId.TryWriteBytes(at[16..]);
        BinaryPrimitives.WriteUInt64LittleEndian(at[32..], FormatId);
        BinaryPrimitives.WriteUInt64LittleEndian(at[40..], Flushed);
        BinaryPrimitives.WriteUInt64LittleEndian(at[48..], PartnerFlushed);
        at[56] = (byte)((Forgot ? 1 : 0) | (Lost ? 2 : 0));
        PutText(at[TextAt..], MachineBootId);
        PutText(at[(TextAt + TextBytesMax + 2)..], ForgotWhy);
        BinaryPrimitives.WriteUInt32LittleEndian(at[4..], Crc32C.Of(at[8..]));
        file.Write(slot, (long)(sequence & 1) * SlotBytes);
        if (sync && durable)
        {
            file.Flush();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private static void PutText(Span<byte> at, string text)
    {
        _ = Utf8.FromUtf16(text, at.Slice(2, TextBytesMax), out _, out int bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)bytes);
    }

    private static string GetText(ReadOnlySpan<byte> at)
    {
        int length = Math.Min((int)BinaryPrimitives.ReadUInt16LittleEndian(at), TextBytesMax);
        return Encoding.UTF8.GetString(at.Slice(2, length));
    }

    private void Take()
    {
        ReadOnlySpan<byte> at = slot;
        ulong number = BinaryPrimitives.ReadUInt64LittleEndian(at[8..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(at) != MagicValue
            || BinaryPrimitives.ReadUInt32LittleEndian(at[4..]) != Crc32C.Of(at[8..])
            || number <= sequence)
        {
            return;
        }

        Fresh = false;
        sequence = number;
        LogId = new Guid(at.Slice(16, 16));
        FormatId = BinaryPrimitives.ReadUInt64LittleEndian(at[32..]);
        Flushed = BinaryPrimitives.ReadUInt64LittleEndian(at[40..]);
        PartnerFlushed = BinaryPrimitives.ReadUInt64LittleEndian(at[48..]);
        Forgot = (at[56] & 1) != 0;
        Lost = (at[56] & 2) != 0;
        MachineBootId = GetText(at[TextAt..]);
        ForgotWhy = GetText(at[(TextAt + TextBytesMax + 2)..]);
    }
}
