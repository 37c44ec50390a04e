using System.Buffers.Binary;

namespace StorageOs.Fuzz;

/// <summary>
/// Changes an input a little: bits, numbers that are often wrong, constants of the code that reads
/// it, pieces moved, doubled, cut out, or taken from another input.
/// </summary>
internal sealed class Mutator(Choices choices, IReadOnlyList<byte[]> words, int bytesMax)
{
    private const int ChangesMax = 5; // As a power of two.
    private const int PieceBytesMax = 64;

    private static readonly long[] Numbers =
    [
        0, 1, -1, 2, 3, 4, 7, 8, 16, 32, 63, 64, 65, 127, 128, 255, 256, 511, 512, 513, 1023,
        1024, 1025, 4095, 4096, 4097, 32767, 32768, 65535, 65536, 0x7fff_ffff, 0x8000_0000,
        0xffff_ffff, 0x1_0000_0000, long.MaxValue, long.MinValue,
    ];

    private readonly byte[] bytes = new byte[bytesMax];
    private int length;

    /// <summary>A changed copy of an input; stands until the next.</summary>
    /// <param name="input">What to change.</param>
    /// <param name="other">What to take pieces from.</param>
    public Span<byte> Change(ReadOnlySpan<byte> input, ReadOnlySpan<byte> other)
    {
        length = Math.Min(input.Length, bytesMax);
        input[..length].CopyTo(bytes);
        for (int changes = 1 << choices.Below(ChangesMax); changes > 0; changes--)
        {
            ChangeOnce(other);
        }

        return bytes.AsSpan(0, length);
    }

    private void ChangeOnce(ReadOnlySpan<byte> other)
    {
        if (length == 0)
        {
            Insert(0, 1 + choices.Below(PieceBytesMax));
            return;
        }

        int at = choices.Below(length);
        switch (choices.Below(11))
        {
            case 0:
                bytes[at] ^= (byte)(1 << choices.Below(8));
                break;
            case 1:
                bytes[at] = (byte)choices.Next();
                break;
            case 2:
                bytes[at] += (byte)(choices.Below(33) - 16);
                break;
            case 3:
                Put(at, Numbers[choices.Below(Numbers.Length)]);
                break;
            case 4:
                Add(at);
                break;
            case 5:
                Delete(at, 1 + choices.Below(Math.Min(length - at, PieceBytesMax)));
                break;
            case 6:
                Insert(at, 1 + choices.Below(PieceBytesMax));
                break;
            case 7:
                Double(at);
                break;
            case 8 when words.Count > 0:
                PutWord(at, words[choices.Below(words.Count)]);
                break;
            case 9 when other.Length > 0:
                Splice(at, other);
                break;
            default:
                length = choices.OneIn(4) ? at : length;
                break;
        }
    }

    /// <summary>Writes a number of 1, 2, 4 or 8 bytes, of either order.</summary>
    private void Put(int at, long number)
    {
        int width = Math.Min(1 << choices.Below(4), length - at);
        Span<byte> eight = stackalloc byte[8];
        if (choices.OneIn(2))
        {
            BinaryPrimitives.WriteInt64LittleEndian(eight, number);
            eight[..width].CopyTo(bytes.AsSpan(at));
        }
        else
        {
            BinaryPrimitives.WriteInt64BigEndian(eight, number);
            eight[^width..].CopyTo(bytes.AsSpan(at));
        }
    }

    /// <summary>Adds a little to a number of 2 or 4 bytes.</summary>
    private void Add(int at)
    {
        int delta = choices.Below(129) - 64;
        Span<byte> rest = bytes.AsSpan(at, length - at);
        switch (choices.Below(4))
        {
            case 0 when rest.Length >= 4:
                BinaryPrimitives.WriteInt32LittleEndian(
                    rest, BinaryPrimitives.ReadInt32LittleEndian(rest) + delta);
                break;
            case 1 when rest.Length >= 4:
                BinaryPrimitives.WriteInt32BigEndian(
                    rest, BinaryPrimitives.ReadInt32BigEndian(rest) + delta);
                break;
            case 2 when rest.Length >= 2:
                BinaryPrimitives.WriteInt16LittleEndian(
                    rest, (short)(BinaryPrimitives.ReadInt16LittleEndian(rest) + delta));
                break;
            default:
                rest[0] += (byte)delta;
                break;
        }
    }

    private void Delete(int at, int count)
    {
        bytes.AsSpan(at + count, length - at - count).CopyTo(bytes.AsSpan(at));
        length -= count;
    }

    /// <summary>Makes room and fills it with one byte, or with any.</summary>
    private void Insert(int at, int count)
    {
        Span<byte> room = Open(at, count);
        byte fill = (byte)choices.Next();
        bool same = choices.OneIn(2);
        for (int i = 0; i < room.Length; i++)
        {
            room[i] = same ? fill : (byte)choices.Next();
        }
    }

    /// <summary>Copies a piece to somewhere else, over what is there or between.</summary>
    private void Double(int at)
    {
        Span<byte> piece = stackalloc byte[PieceBytesMax];
        piece = piece[..(1 + choices.Below(Math.Min(length - at, PieceBytesMax)))];
        bytes.AsSpan(at, piece.Length).CopyTo(piece);
        Place(choices.Below(length), piece);
    }

    private void PutWord(int at, byte[] word)
    {
        if (word.Length <= 8 && choices.OneIn(3))
        {
            Span<byte> turned = stackalloc byte[word.Length];
            word.CopyTo(turned);
            turned.Reverse();
            Place(at, turned);
        }
        else
        {
            Place(at, word);
        }
    }

    private void Splice(int at, ReadOnlySpan<byte> other)
    {
        int from = choices.Below(other.Length);
        Place(at, other.Slice(from, 1 + choices.Below(other.Length - from)));
    }

    private void Place(int at, ReadOnlySpan<byte> piece)
    {
        if (choices.OneIn(2))
        {
            Span<byte> room = Open(at, piece.Length);
            piece[..room.Length].CopyTo(room);
        }
        else
        {
            int count = Math.Min(piece.Length, bytesMax - at);
            piece[..count].CopyTo(bytes.AsSpan(at));
            length = Math.Max(length, at + count);
        }
    }

    /// <summary>Room between what is before and what is behind, as much as there is.</summary>
    private Span<byte> Open(int at, int count)
    {
        count = Math.Min(count, bytesMax - length);
        bytes.AsSpan(at, length - at).CopyTo(bytes.AsSpan(at + count));
        length += count;
        return bytes.AsSpan(at, count);
    }
}
