using System.Net;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Remote;

/// <summary>
/// A node that is reached by its HTTP API: <c>URL,TOKENFILE</c> or <c>URL,TOKENFILE,TRUSTFILE</c>.
/// </summary>
/// <param name="Address">Scheme, host and port.</param>
/// <param name="TokenFile">Full path of the file whose first line is the token.</param>
/// <param name="TrustFile">
/// Full path of the certificates (PEM) that are trusted; null for those of the system.
/// </param>
internal sealed record RemoteNode(Uri Address, string TokenFile, string? TrustFile)
{
    /// <summary>Reads the text.</summary>
    /// <exception cref="RefusedException">It is none.</exception>
    internal static RemoteNode Parse(string text)
    {
        string[] parts = text.Split(',');
        return parts.Length is 2 or 3
            ? new(CheckAddress(parts[0]), parts[1], parts.Length == 3 ? parts[2] : null)
            : throw new RefusedException(new Refusal(
                "node", "URL,TOKENFILE or URL,TOKENFILE,TRUSTFILE", text));
    }

    /// <summary>The full path of a file that may be named beside an address.</summary>
    internal static string CheckFile(string path) => path.Contains(',')
        ? throw new RefusedException(new Refusal("file", "a path without commas", path))
        : Path.GetFullPath(path);

    /// <summary>Reads an address; one that would show the token to others is refused.</summary>
    internal static Uri CheckAddress(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? address)
            || address.Scheme is not ("http" or "https") || address.PathAndQuery != "/"
            || address.UserInfo.Length > 0)
        {
            throw new RefusedException(new Refusal(
                "node", "an address such as https://10.0.0.1:8441", text));
        }

        return address.Scheme == "https" || IsHere(address) ? address
            : throw new RefusedException(new Refusal(
                "node", "https, for a token is sent with each request", text,
                "give the node a certificate, or ask it over a tunnel"));
    }

    /// <summary>The token.</summary>
    /// <exception cref="RefusedException">There is none.</exception>
    internal string Token()
    {
        string? line = File.Exists(TokenFile) ? File.ReadLines(TokenFile).FirstOrDefault() : null;
        return line is { Length: > 0 } ? line.Trim() : throw new RefusedException(new Refusal(
            $"token in {TokenFile}", "a file whose first line is a token",
            line is null ? "no such file" : "an empty line"));
    }

    /// <summary>The text that <see cref="Parse"/> takes.</summary>
    public override string ToString() =>
        $"{Address.GetLeftPart(UriPartial.Authority)},{TokenFile}"
        + (TrustFile is null ? "" : $",{TrustFile}");

    private static bool IsHere(Uri address) => address.IsLoopback
        || (IPAddress.TryParse(address.Host, out IPAddress? ip) && IPAddress.IsLoopback(ip));
}
