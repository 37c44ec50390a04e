using System.Globalization;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Loopback;

/// <summary>A Fibre Channel id: 24 bits, written <c>fc:010203</c>.</summary>
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

        throw new RefusedException(new Refusal(
            subject,
            "a Fibre Channel id such as fc:010203 (fc: and six hexadecimal digits, not all zero)",
            text is null ? "nothing" : $"'{text}'",
            "set the address in the configuration's transport section"));
    }

    /// <summary>Name of the node's folder on the fabric.</summary>
    public string FolderName => Value.ToString("x6", CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public override string ToString() => Prefix + FolderName;
}
