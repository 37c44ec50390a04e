using System.Buffers.Binary;
using System.Text;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Management.Node;

// What twins tell each other: half a page of a region each, the first half the twin's to write.
//   0 checksum (CRC-32C of the rest), 4 length, 8 text in UTF-8

/// <summary>The memory in which a node reads by what address its partner is reached.</summary>
internal static class AddressPage
{
    /// <summary>Length of what is told.</summary>
    public const int Bytes = Size.Page / 2;

    /// <summary>Where the twin's is.</summary>
    public const int TwinsAt = 0;

    /// <summary>Where one's own is, to be sent from.</summary>
    public const int OwnAt = Bytes;

    private const int LengthAt = 4, TextAt = 8;

    /// <summary>Puts down one's own address; null for none.</summary>
    public static void Write(Span<byte> region, string? url)
    {
        Span<byte> own = region.Slice(OwnAt, Bytes);
        own.Clear();
        int length = Encoding.UTF8.GetBytes(url ?? "", own[TextAt..]);
        BinaryPrimitives.WriteInt32LittleEndian(own[LengthAt..], length);
        BinaryPrimitives.WriteUInt32LittleEndian(own, Checksum(own));
    }

    /// <summary>
    /// The twin's; empty when it has none, null before it is there whole, or when it is no address:
    /// what a partner writes is looked at as what anybody writes.
    /// </summary>
    public static string? Read(ReadOnlySpan<byte> region)
    {
        Span<byte> copy = stackalloc byte[Bytes];
        region.Slice(TwinsAt, Bytes).CopyTo(copy);
        int length = BinaryPrimitives.ReadInt32LittleEndian(copy[LengthAt..]);
        if (length is < 0 or > Bytes - TextAt || !copy.ContainsAnyExcept((byte)0)
            || BinaryPrimitives.ReadUInt32LittleEndian(copy) != Checksum(copy))
        {
            return null;
        }

        string text = Encoding.UTF8.GetString(copy.Slice(TextAt, length));
        bool isUrl = Uri.TryCreate(text, UriKind.Absolute, out Uri? url)
            && url.Scheme is "http" or "https"
            && url.GetLeftPart(UriPartial.Authority) == text;
        return length == 0 || isUrl ? text : null;
    }

    private static uint Checksum(ReadOnlySpan<byte> page) =>
        ~Crc32C.Extend(~0u, page[LengthAt..]);
}
