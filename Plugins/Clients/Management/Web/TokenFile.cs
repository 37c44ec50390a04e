using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;

namespace StorageOs.Management.Web;

// The file of tokens, a line each:   ROLE NAME SHA256
//   operator alice 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
// It holds no token, only what one hashes to, and is read again when it changes: taking a line out
// takes effect with the next request. A token is 32 random bytes, so a plain hash hides it.

/// <summary>Who may ask by TCP. Any thread.</summary>
internal sealed class TokenFile(string path, ILogger log)
{
    private const int BytesMax = 64 << 10;
    private readonly Lock gate = new();
    private string read = "";
    private string trouble = "";
    private Dictionary<string, (string Name, Role Role)> known = [];

    /// <summary>Whose token it is; null when it is nobody's.</summary>
    public (string Name, Role Role)? Find(string token)
    {
        // By the hash of the whole: how long the look-up takes says nothing of any token.
        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        lock (gate)
        {
            ReadAgain();
            return known.TryGetValue(hash, out (string Name, Role Role) its) ? its : null;
        }
    }

    /// <summary>
    /// The whole of it each time: times and lengths of a file that is a link, or that was put in
    /// the place of another, tell nothing.
    /// </summary>
    private void ReadAgain()
    {
        try
        {
            using FileStream file = new(
                path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (file.Length > BytesMax)
            {
                throw new IOException($"{file.Length} bytes instead of at most {BytesMax}");
            }

            using StreamReader reader = new(file);
            string text = reader.ReadToEnd();
            trouble = "";
            if (text != read)
            {
                (read, known) = (text, Parse(text));
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Nobody is let in by a file that cannot be read. Told once, not to each who asks.
            if (failure.Message != trouble)
            {
                ManagementEvents.TokensUnread.Raise(log, path, failure.Message);
            }

            (read, known, trouble) = ("", [], failure.Message);
        }
    }

    private Dictionary<string, (string Name, Role Role)> Parse(string text)
    {
        Dictionary<string, (string Name, Role Role)> all = new(StringComparer.OrdinalIgnoreCase);
        int number = 0;
        foreach (string line in text.Split('\n'))
        {
            number++;
            string[] words = line.Split('#')[0].Split(
                ' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (words is [var role, var name, { Length: SHA256.HashSizeInBytes * 2 } hash]
                && Enum.TryParse(role, ignoreCase: true, out Role its) && Enum.IsDefined(its))
            {
                all[hash] = (name, its);
            }
            else if (words.Length > 0)
            {
                ManagementEvents.TokenRefused.Raise(log, path, number);
            }
        }

        return all;
    }
}
