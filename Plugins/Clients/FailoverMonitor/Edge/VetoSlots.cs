using System.Buffers.Binary;
using System.Text;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Edge;

// A slot: when it was made (Unix seconds, 8 bytes), bytes of each text (1 byte each), 5 bytes free,
// then the texts, each in a place of its own. A slot without a name is empty.

/// <summary>
/// The part of a group's view that tells vetoes: two of them, their texts cut to fit.
/// </summary>
internal static class VetoSlots
{
    private const int Count = 2;
    private const int SlotBytes = 288;
    private const int WhoOffset = 16;
    private const int WhoBytes = 64; // As long as a module's id may be.
    private const int WhyOffset = WhoOffset + WhoBytes;
    private const int WhyBytes = 112;
    private const int RemedyOffset = WhyOffset + WhyBytes;
    private const int RemedyBytes = SlotBytes - RemedyOffset;

    /// <summary>Writes the oldest of them.</summary>
    public static void Encode(Span<byte> bytes, IReadOnlyList<HandoverVeto> vetoes)
    {
        for (int index = 0; index < Math.Min(Count, vetoes.Count); index++)
        {
            Span<byte> slot = bytes.Slice(index * SlotBytes, SlotBytes);
            HandoverVeto veto = vetoes[index];
            BinaryPrimitives.WriteInt64LittleEndian(slot, veto.Since.ToUnixTimeSeconds());
            slot[8] = (byte)ViewPage.PutText(veto.Who, slot.Slice(WhoOffset, WhoBytes));
            slot[9] = (byte)ViewPage.PutText(veto.Why, slot.Slice(WhyOffset, WhyBytes));
            slot[10] = (byte)ViewPage.PutText(veto.Remedy, slot.Slice(RemedyOffset, RemedyBytes));
        }
    }

    /// <summary>Reads them; null when no writer of ours can have written this.</summary>
    public static IReadOnlyList<HandoverVeto>? Decode(ReadOnlySpan<byte> bytes)
    {
        List<HandoverVeto>? found = null;
        for (int index = 0; index < Count; index++)
        {
            ReadOnlySpan<byte> slot = bytes.Slice(index * SlotBytes, SlotBytes);
            if (slot[8] == 0)
            {
                continue;
            }

            long since = BinaryPrimitives.ReadInt64LittleEndian(slot);
            if (slot[8] > WhoBytes || slot[9] > WhyBytes || slot[10] > RemedyBytes
                || since < DateTimeOffset.MinValue.ToUnixTimeSeconds()
                || since > DateTimeOffset.MaxValue.ToUnixTimeSeconds())
            {
                return null;
            }

            found ??= [];
            found.Add(new HandoverVeto(
                Text(slot, WhoOffset, slot[8]), null, Text(slot, WhyOffset, slot[9]),
                Text(slot, RemedyOffset, slot[10]),
                DateTimeOffset.FromUnixTimeSeconds(since)));
        }

        return found ?? (IReadOnlyList<HandoverVeto>)[];
    }

    private static string Text(ReadOnlySpan<byte> slot, int offset, int length) =>
        Encoding.UTF8.GetString(slot.Slice(offset, length));
}
