using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Ccm;

// Compiled into the SDK's kits as well (sdk/Plugin.Testing): what fails on a node is to fail there.

/// <summary>What all clients of a node together, and one alone, may ask for.</summary>
internal static class ClientLimits
{
    /// <summary>Clients of a node.</summary>
    public const int ClientsMax = 32;

    /// <summary>Ports of a client.</summary>
    public const int PortsPerClientMax = 16;

    /// <summary>Regions of a client.</summary>
    public const int RegionsPerClientMax = 16;

    /// <summary>Memory of all clients of a node, in bytes.</summary>
    public const long MemoryBytesMax = 4 * Size.GiB;

    /// <summary>Characters of a client's, port's or region's name.</summary>
    public const int NameCharactersMax = 48;

    /// <summary>Whether a text can be the name of a client, port or region.</summary>
    public static bool IsName(string? name) =>
        name is { Length: > 0 and <= NameCharactersMax }
        && name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_');
}
