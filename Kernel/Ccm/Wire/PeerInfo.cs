using MessagePack;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Ccm.Wire;

/// <summary>Versions of what two connected nodes say to each other.</summary>
public enum ProtocolVersion : ushort
{
    /// <summary>Peer info, proof, sealed client info, grants, ready.</summary>
    V1 = 1,
}

/// <summary>
/// What a node says of itself first; not sealed, but part of what the proof covers.
/// </summary>
[MessagePackObject]
public sealed record PeerInfo(
    [property: Key(0)] ushort VersionMin,
    [property: Key(1)] ushort VersionMax,
    [property: Key(2)] string Build,
    [property: Key(3)] string Name,
    [property: Key(4)] ulong SystemId,
    [property: Key(5)] Guid PairId,
    [property: Key(6)] ulong BootEpoch,
    [property: Key(7)] byte[] Nonce,
    [property: Key(8)] PersistenceLevel Persistence)
{
    /// <summary>Bytes of the nonce.</summary>
    public const int NonceBytes = 32;

    /// <summary>Agrees on a version with the partner, or says why not.</summary>
    public static Refusal? Agree(PeerInfo ours, PeerInfo theirs, out ushort version)
    {
        version = 0;

        // Bytes of the partner make this record: what is declared never to be null may be.
        if (theirs.Name is null || theirs.Build is null || theirs.Nonce is null)
        {
            return new("partner's peer info", "a name, a build and a nonce", "one of them missing");
        }

        if (theirs.SystemId == ours.SystemId)
        {
            return new(
                "partner", "another system than this one",
                $"system id {theirs.SystemId:x}, our own",
                "check the partner's address and both system ids");
        }

        if (theirs.Name == ours.Name)
        {
            return new(
                "partner", $"a node with another name than {ours.Name}",
                $"the same name {theirs.Name}",
                "give each node of the pair its own name");
        }

        if (theirs.PairId != ours.PairId)
        {
            return new("partner's pair", $"{ours.PairId}", $"{theirs.PairId}",
                "use the same pair id on both nodes");
        }

        if (theirs.Persistence != ours.Persistence)
        {
            return new("partner's node.persistence", $"{ours.Persistence}",
                $"{theirs.Persistence}", "configure the same level on both nodes (L6)");
        }

        if (theirs.Nonce.Length != NonceBytes)
        {
            return new("partner's nonce", $"{NonceBytes} bytes", $"{theirs.Nonce.Length}");
        }

        var our = new VersionRange(ours.VersionMin, ours.VersionMax);
        var their = new VersionRange(theirs.VersionMin, theirs.VersionMax);
        if (our.HighestCommon(their) is not { } common)
        {
            return new("partner's protocol versions", $"some of {our}", $"{their}",
                "upgrade the older node");
        }

        version = common;
        return null;
    }
}
