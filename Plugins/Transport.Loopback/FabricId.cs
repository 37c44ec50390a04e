using System.Globalization;
using System.Net;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// A Fibre Channel id: 24 bits, written <c>fc:010203</c>. An IPv4 address stands for the id of its
/// last three numbers, so that a configuration for verbs or TCP can be tried out on one machine by
/// changing the transport's name alone.
/// </summary>
internal readonly record struct FabricId(uint Value)
{
    private const string Prefix = "fc:";
    private const int Digits = 6;

    /// <summary>Reads an id as people write it.</summary>
    /// <exception cref="RefusedException">It is anything else.</exception>
    public static FabricId Parse(string subject, string? text)
    {
        if (text is not null
            && text.Length == Prefix.Length + Digits
            && text.StartsWith(Prefix, StringComparison.Ordinal)
            && uint.TryParse(
                text.AsSpan(Prefix.Length),
                NumberStyles.AllowHexSpecifier,
                CultureInfo.InvariantCulture,
                out uint value)
            && value != 0)
        {
            return new FabricId(value);
        }

        if (IPAddress.TryParse(text, out IPAddress? address)
            && address.AddressFamily == AddressFamily.InterNetwork
            && address.GetAddressBytes() is [_, byte high, byte middle, byte low]
            && (high | middle | low) != 0)
        {
            return new FabricId((uint)((high << 16) | (middle << 8) | low));
        }

        throw new RefusedException(new Refusal(
            subject,
            "a Fibre Channel id such as fc:010203 (fc: and six hexadecimal digits, not all zero), "
                + "or an IPv4 address",
            text is null ? "nothing" : $"'{text}'",
            "set the address in the configuration's transport section"));
    }

    /// <summary>Name of the node's folder on the fabric.</summary>
    public string FolderName => Value.ToString("x6", CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public override string ToString() => Prefix + FolderName;
}
