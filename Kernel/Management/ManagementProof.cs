using System.Security.Cryptography;
using System.Text;

namespace StorageOs.Kernel.Management;

/// <summary>
/// Proof of a shared key on a management connection: the server sends a line with a random
/// challenge, the client a line with its HMAC-SHA256 under the key. The key never travels, and a
/// proof is good for one connection. What follows is neither encrypted nor sealed: keep it on a
/// network for management.
/// </summary>
internal static class ManagementProof
{
    private const int ChallengeBytes = 32;
    private const string Purpose = "storageos management 1 ";

    /// <summary>Server's side.</summary>
    /// <returns>Whether the other side knows the key.</returns>
    internal static async Task<bool> AskAsync(
        Stream stream, LineReader lines, ReadOnlyMemory<byte> key, CancellationToken limit)
    {
        string challenge = Convert.ToHexString(RandomNumberGenerator.GetBytes(ChallengeBytes));
        await stream.WriteAsync(Encoding.ASCII.GetBytes(challenge + "\n"), limit);
        return await lines.ReadAsync(limit) is { } proof
            && CryptographicOperations.FixedTimeEquals(
                proof.Span, Encoding.ASCII.GetBytes(Of(challenge, key.Span)));
    }

    /// <summary>Client's side.</summary>
    internal static async Task GiveAsync(
        Stream stream, LineReader lines, ReadOnlyMemory<byte> key, CancellationToken limit)
    {
        ReadOnlyMemory<byte> challenge = await lines.ReadAsync(limit)
            ?? throw new IOException("the connection was closed before anything was said");
        string proof = Of(Encoding.ASCII.GetString(challenge.Span), key.Span);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(proof + "\n"), limit);
    }

    private static string Of(string challenge, ReadOnlySpan<byte> key) => Convert.ToHexString(
        HMACSHA256.HashData(key, Encoding.ASCII.GetBytes(Purpose + challenge)));
}
