using System.Text;

namespace Sample.ObjectGateway;

/// <summary>
/// What a request is about: a bucket, or an object in it. Read from what the client sent as it is,
/// so that a key may have dots and slashes wherever it likes. Pure.
/// </summary>
/// <param name="Bucket">Name of the bucket.</param>
/// <param name="Key">Name of the object in it; null for the bucket.</param>
internal sealed record Target(string Bucket, string? Key)
{
    private const int BucketCharsMax = 63;
    private const int KeyBytesMax = 1024;
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>What the index calls the object.</summary>
    public string FullKey => $"{Bucket}/{Key}";

    /// <summary>Reads a request's target; null with what is wrong with it.</summary>
    public static Target? Read(string raw, out string wrong)
    {
        int end = raw.IndexOfAny(['?', '#']);
        string path = end < 0 ? raw : raw[..end];
        int slash = path.IndexOf('/', Math.Min(1, path.Length));
        string bucket = slash < 0 ? path.TrimStart('/') : path[1..slash];
        string? key = slash < 0 || slash == path.Length - 1 ? null : Decode(path[(slash + 1)..]);
        wrong = !path.StartsWith('/') || !IsBucket(bucket)
                ? $"a bucket has 1 to {BucketCharsMax} of a-z, 0-9, '-' and '.'"
            : slash >= 0 && slash < path.Length - 1 && key is null
                ? "a key is UTF-8 in percent encoding, without control characters"
            : key is not null && Encoding.UTF8.GetByteCount(key) > KeyBytesMax
                ? $"a key has at most {KeyBytesMax} bytes"
            : "";
        return wrong.Length == 0 ? new(bucket, key) : null;
    }

    private static bool IsBucket(string name) => name.Length is > 0 and <= BucketCharsMax
        && name.All(static one => one is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-' or '.');

    private static string? Decode(string text)
    {
        byte[] bytes = new byte[text.Length];
        int length = 0;
        for (int at = 0; at < text.Length; at++)
        {
            int value = text[at];
            if (value == '%')
            {
                if (at + 2 >= text.Length || !char.IsAsciiHexDigit(text[at + 1])
                    || !char.IsAsciiHexDigit(text[at + 2]))
                {
                    return null;
                }

                value = Convert.ToInt32(text.Substring(at + 1, 2), 16);
                at += 2;
            }

            if (value is < ' ' or 0x7F or > byte.MaxValue)
            {
                return null;
            }

            bytes[length++] = (byte)value;
        }

        try
        {
            return Strict.GetString(bytes, 0, length);
        }
        catch (DecoderFallbackException)
        {
            return null; // Said by the caller.
        }
    }
}
