using System.Globalization;
using System.Text;

namespace Sample.KeyValue;

/// <summary>
/// The part of RESP that is spoken: a command is an array of bulk strings, or a line of words; an
/// answer is a simple string, an error, an integer, a bulk string or an array of those.
/// </summary>
internal static class Resp
{
    public const int WordsMax = 1024;
    public const int CommandBytesMax = 64 * 1024;
    private const int LineBytesMax = 1024;
    private const int NumberLineMax = 16;
    private static readonly byte[] LineEnd = [(byte)'\r', (byte)'\n'];

    public static byte[] Ok { get; } = Simple("OK");

    public static byte[] Nothing { get; } = Encoding.ASCII.GetBytes("$-1\r\n");

    /// <summary>Reads the command at the start.</summary>
    /// <param name="from">What has come so far.</param>
    /// <param name="words">The command; empty when it has no words, null when it is not all there.
    /// </param>
    /// <param name="bytes">How long it was.</param>
    /// <returns>What is wrong with it; null when nothing is.</returns>
    public static string? Read(ReadOnlySpan<byte> from, out string[]? words, out int bytes)
    {
        (words, bytes) = (null, 0);
        if (from.IsEmpty)
        {
            return null;
        }

        if (from[0] != '*')
        {
            return ReadLine(from, ref words, ref bytes);
        }

        int at = 0;
        if (ReadCount(from, '*', WordsMax, ref at, out int count) is { } wrong)
        {
            return wrong;
        }

        List<string> all = [];
        while (count >= 0 && all.Count < count)
        {
            if (ReadCount(from[at..], '$', CommandBytesMax, ref at, out int length) is { } not)
            {
                return not;
            }

            if (length < 0 || from.Length - at < length + LineEnd.Length)
            {
                return from.Length > CommandBytesMax ? "command too long" : null;
            }

            if (!from.Slice(at + length, LineEnd.Length).SequenceEqual(LineEnd))
            {
                return "no line end behind a bulk string";
            }

            all.Add(Encoding.Latin1.GetString(from.Slice(at, length)));
            at += length + LineEnd.Length;
        }

        if (count >= 0)
        {
            (words, bytes) = ([.. all], at);
        }

        return null;
    }

    public static byte[] Simple(string text) => Encoding.UTF8.GetBytes($"+{text}\r\n");

    public static byte[] Error(string text) => Encoding.UTF8.GetBytes(
        $"-{text.Replace('\r', ' ').Replace('\n', ' ')}\r\n");

    public static byte[] Integer(long number) => Encoding.ASCII.GetBytes($":{number}\r\n");

    public static byte[] Bulk(ReadOnlySpan<byte> value) =>
        [.. Encoding.ASCII.GetBytes($"${value.Length}\r\n"), .. value, .. LineEnd];

    public static byte[] Array(IReadOnlyCollection<byte[]> elements) =>
    [
        .. Encoding.ASCII.GetBytes($"*{elements.Count}\r\n"),
        .. elements.SelectMany(static element => element),
    ];

    private static string? ReadLine(
        ReadOnlySpan<byte> from, ref string[]? words, ref int bytes)
    {
        int end = from.IndexOf((byte)'\n');
        if (end > LineBytesMax || (end < 0 && from.Length > LineBytesMax))
        {
            return "line too long";
        }

        if (end >= 0)
        {
            words = Encoding.Latin1.GetString(from[..end]).Split(
                (char[]?)[' ', '\r', '\t'], StringSplitOptions.RemoveEmptyEntries);
            bytes = end + 1;
        }

        return null;
    }

    // Reads a line of a mark and a number; -1 when it is not all there yet.
    private static string? ReadCount(
        ReadOnlySpan<byte> from, char mark, int max, ref int at, out int count)
    {
        count = -1;
        int end = from[..Math.Min(from.Length, NumberLineMax)].IndexOf(LineEnd);
        if (from.Length > 0 && from[0] != mark)
        {
            return $"'{mark}' expected";
        }

        if (end < 0)
        {
            return from.Length >= NumberLineMax ? "number too long" : null;
        }

        if (!int.TryParse(
                from[1..end], NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            || number > max)
        {
            return $"a number up to {max} expected";
        }

        (count, at) = (number, at + end + LineEnd.Length);
        return null;
    }
}
