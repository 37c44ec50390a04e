using System.Buffers.Binary;

namespace Sample.KeyValue;

/// <summary>
/// Who has written what is in a map: reign after reign, each the writes of one node in one session,
/// or of one node alone, without a break. A reign's id is drawn at random and used once, and within
/// a reign a number is given to one write only. So the map of b is an earlier state of the map of a
/// if, and only if, the reign of b's last write is one of a's, and had gone as far there.
/// </summary>
/// <param name="Count">How many writes were made.</param>
/// <param name="Reigns">The latest reigns, oldest first; of those before them nobody knows.</param>
internal sealed record History(ulong Count, IReadOnlyList<(ulong Id, ulong From)> Reigns)
{
    /// <summary>The most reigns that are remembered.</summary>
    public const int ReignsMax = 64;

    private const int ReignBytes = 16;

    /// <summary>Of a map that nobody has written.</summary>
    public static History Empty { get; } = new(0, []);

    /// <summary>Reads what <see cref="ToBytes"/> has made; null when it is none.</summary>
    public static History? Of(ulong count, ReadOnlySpan<byte> bytes)
    {
        int reigns = bytes.Length / ReignBytes;
        if (bytes.Length % ReignBytes != 0 || reigns > ReignsMax || (reigns == 0) != (count == 0))
        {
            return null;
        }

        (ulong Id, ulong From)[] all = new (ulong, ulong)[reigns];
        for (int at = 0; at < reigns; at++)
        {
            all[at] = (BinaryPrimitives.ReadUInt64LittleEndian(bytes[(at * ReignBytes)..]),
                BinaryPrimitives.ReadUInt64LittleEndian(bytes[((at * ReignBytes) + 8)..]));
            if (all[at].From >= count || (at > 0 && all[at].From <= all[at - 1].From))
            {
                return null; // A reign is remembered by its first write.
            }
        }

        return new(count, all);
    }

    /// <summary>With one write more.</summary>
    public History Then(ulong reign) => new(
        Count + 1,
        Reigns.Count > 0 && Reigns[^1].Id == reign
            ? Reigns
            : [.. Reigns.Skip(Reigns.Count == ReignsMax ? 1 : 0), (reign, Count)]);

    /// <summary>Whether the other is this one at an earlier time, or now.</summary>
    public bool Holds(History other)
    {
        for (int at = 0; at < Reigns.Count && other.Count > 0; at++)
        {
            if (Reigns[at] == other.Reigns[^1])
            {
                return other.Count <= (at + 1 < Reigns.Count ? Reigns[at + 1].From : Count);
            }
        }

        return other.Count == 0;
    }

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Reigns.Count * ReignBytes];
        for (int at = 0; at < Reigns.Count; at++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(
                bytes.AsSpan(at * ReignBytes), Reigns[at].Id);
            BinaryPrimitives.WriteUInt64LittleEndian(
                bytes.AsSpan((at * ReignBytes) + 8), Reigns[at].From);
        }

        return bytes;
    }
}
