using System.Security.Cryptography;
using System.Text;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// Who may ask a pair's nodes over HTTP: an operator, whose token lies in a file beside the pair
/// that its owner alone can read.
/// </summary>
/// <param name="directory">The pair's directory.</param>
internal sealed class PairTokens(string directory)
{
    private const int TokenBytes = 32;

    /// <summary>The file that nodes read: who there is, and what their tokens hash to.</summary>
    internal string Known => Path.Combine(directory, "tokens");

    /// <summary>The operator's own.</summary>
    internal string Own => Path.Combine(directory, "operator.token");

    /// <summary>
    /// Makes both files, unless people have theirs: who was taken out of it is not let in again.
    /// </summary>
    internal void Make()
    {
        if (File.Exists(Known))
        {
            return;
        }

        string token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenBytes));
        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        Write(Own, $"{token}\n");
        Write(Known, $"# ROLE NAME SHA256-OF-TOKEN; a line less takes effect at once\n"
            + $"operator {Environment.UserName} {hash}\n");
    }

    /// <summary>Where a browser finds a node's page, token included; null without it.</summary>
    internal string? PageOf(string url) =>
        File.Exists(Own) ? $"{url}/#token={File.ReadAllText(Own).Trim()}" : null;

    private static void Write(string path, string text)
    {
        FileStreamOptions options = new()
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        using FileStream file = new(path, options);
        file.Write(Encoding.UTF8.GetBytes(text));
    }
}
