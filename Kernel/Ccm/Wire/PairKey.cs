// Proof of the pair key and what is derived from it. The proof's MAC covers role, tag and both peer
// info records, so nothing of the handshake can be replayed, reflected or downgraded. Sealing is
// AES-256-GCM with one key for each direction and the record's number as nonce, so no nonce repeats
// within a session and no key is used in two. HMAC: RFC 2104; HKDF: RFC 5869; GCM: NIST SP 800-38D.
using System.Buffers.Binary;
using System.Security.Cryptography;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Ccm.Wire;

/// <summary>The two ends of a pair; the lower system id is low.</summary>
internal enum PairRole : byte
{
    /// <summary>The node with the lower system id.</summary>
    Low = 1,

    /// <summary>The node with the higher system id.</summary>
    High = 2,
}

/// <summary>The transcript of one handshake and what its parties derive from it.</summary>
internal sealed class PairProof
{
    private readonly byte[] key;
    private readonly byte[] transcript;

    /// <summary>Takes the shared key and what both said, as bytes.</summary>
    public PairProof(
        ReadOnlySpan<byte> pairKey, uint tag, ReadOnlySpan<byte> low, ReadOnlySpan<byte> high)
    {
        key = pairKey.ToArray();
        transcript = new byte[12 + low.Length + high.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(transcript, tag);
        BinaryPrimitives.WriteInt32LittleEndian(transcript.AsSpan(4), low.Length);
        BinaryPrimitives.WriteInt32LittleEndian(transcript.AsSpan(8), high.Length);
        low.CopyTo(transcript.AsSpan(12));
        high.CopyTo(transcript.AsSpan(12 + low.Length));
    }

    /// <summary>The proof of the node in that role.</summary>
    public byte[] Of(PairRole role) => HMACSHA256.HashData(
        key, (byte[])[.. "storageos proof"u8, (byte)role, .. transcript]);

    /// <summary>Whether the partner's proof is right, compared in constant time.</summary>
    public Refusal? Check(PairRole role, ReadOnlySpan<byte> proof) =>
        CryptographicOperations.FixedTimeEquals(Of(role), proof)
            ? null
            : new("partner's proof of the pair key", "the MAC of both nodes' peer info",
                "another one", "put the same key file on both nodes");

    /// <summary>Seals what the node in that role sends.</summary>
    public Sealer Sealer(PairRole sender) => new(HKDF.DeriveKey(
        HashAlgorithmName.SHA256, key, 32, SHA256.HashData(transcript),
        [.. "storageos seal"u8, (byte)sender]));
}

/// <summary>Seals and opens the records of one direction of one session.</summary>
internal sealed class Sealer(byte[] key) : IDisposable
{
    private const int TagBytes = 16;
    private readonly AesGcm gcm = new(key, TagBytes);

    /// <summary>Bytes that sealing adds.</summary>
    public const int Overhead = TagBytes;

    /// <summary>Seals the payload of a record.</summary>
    public byte[] Seal(ulong sequence, ReadOnlySpan<byte> plain)
    {
        byte[] result = new byte[plain.Length + TagBytes];
        gcm.Encrypt(
            Nonce(sequence), plain, result.AsSpan(0, plain.Length), result.AsSpan(plain.Length));
        return result;
    }

    /// <summary>Opens the payload of a record.</summary>
    public Refusal? Open(ulong sequence, ReadOnlySpan<byte> bytes, out byte[] plain)
    {
        plain = [];
        if (bytes.Length < TagBytes)
        {
            return new("partner's record", $"at least {TagBytes} bytes", $"{bytes.Length}");
        }

        plain = new byte[bytes.Length - TagBytes];
        try
        {
            gcm.Decrypt(Nonce(sequence), bytes[..^TagBytes], bytes[^TagBytes..], plain);
            return null;
        }
        catch (AuthenticationTagMismatchException)
        {
            return new("partner's record", "sealed with the session's key", "a wrong seal",
                "something else writes to the partner's memory: check both machines");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => gcm.Dispose();

    private static byte[] Nonce(ulong sequence)
    {
        byte[] nonce = new byte[12];
        BinaryPrimitives.WriteUInt64LittleEndian(nonce, sequence);
        return nonce;
    }
}
