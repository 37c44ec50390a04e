using System.Net;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway;

/// <summary>The plugin's settings; what they may be stands in plugin.json.</summary>
/// <param name="Volume">The volume that holds the objects.</param>
/// <param name="Format">Whether a volume of zeros is made one for objects.</param>
/// <param name="Socket">Where clients connect.</param>
/// <param name="Address">Where they can, too; null: nowhere.</param>
internal sealed record Settings(string Volume, bool Format, string Socket, IPEndPoint? Address)
{
    /// <exception cref="RefusedException">The address is none.</exception>
    public static Settings Of(IConfiguration section) => new(
        section["volume"] ?? "vol0",
        section["format"] is { } format && bool.Parse(format),
        section["socket"] ?? "objects.sock",
        section["address"] is { } address ? AddressOf(address) : null);

    private static IPEndPoint AddressOf(string text) =>
        IPEndPoint.TryParse(text, out IPEndPoint? address) && address.Port > 0
            ? address
            : throw new RefusedException(new(
                "setting address", "an IP address and a port, such as 127.0.0.1:9000", text,
                "correct the setting"));
}
