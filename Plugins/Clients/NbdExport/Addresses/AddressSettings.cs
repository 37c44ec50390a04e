using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.NbdExport.Addresses;

/// <summary>
/// One service address: where a group's volumes are exported, on whichever node owns it.
/// </summary>
/// <param name="Group">The group.</param>
/// <param name="Host">Address to listen at.</param>
/// <param name="Port">TCP port to listen at.</param>
/// <param name="Directory">Directory that both nodes share for passing descriptors.</param>
internal sealed record AddressSettings(GroupId Group, IPAddress Host, ushort Port, string Directory)
{
    /// <summary>
    /// Interface that the address is added to while this node holds it; null where the address
    /// stays, because both nodes are on one machine.
    /// </summary>
    public string? Interface { get; init; }

    /// <summary>The Unix socket of a node for this address.</summary>
    public string SocketPath(string node) => Path.Combine(Directory, $"{Port}.{node}.sock");

    /// <summary>The file that is locked while one of the nodes binds.</summary>
    public string LockPath => Path.Combine(Directory, $"{Port}.lock");

    /// <summary>URI of a volume at this address.</summary>
    public string Uri(string volume) => $"nbd://{new IPEndPoint(Host, Port)}/{volume}";

    /// <summary>Reads the plugin's section.</summary>
    /// <exception cref="RefusedException">An entry is not as documented.</exception>
    public static IReadOnlyList<AddressSettings> Read(IConfiguration section, NodeInfo node)
    {
        List<AddressSettings> all = [];
        foreach (IConfigurationSection entry in section.GetSection("addresses").GetChildren())
        {
            AddressSettings one = ReadOne(entry);
            int longest = new[] { node.Name, node.PartnerName }
                .Max(name => Encoding.UTF8.GetByteCount(one.SocketPath(name)));
            if (longest > Limits.SocketPathBytesMax)
            {
                throw Wrong(entry, "socket",
                    $"a directory with socket paths of at most {Limits.SocketPathBytesMax} bytes",
                    $"{longest} bytes in {one.Directory}");
            }

            if (all.Any(other => other.Group == one.Group || other.Port == one.Port))
            {
                throw Wrong(entry, "group and port", "one entry for each", "a second one");
            }

            all.Add(one);
        }

        return all;
    }

    private static AddressSettings ReadOne(IConfigurationSection entry)
    {
        string? group = entry["group"];
        string? host = entry["host"];
        string? port = entry["port"];
        string? directory = entry["socket"];
        if (group is not ("0" or "1"))
        {
            throw Wrong(entry, "group", "0 or 1", group);
        }

        if (!IPAddress.TryParse(host, out IPAddress? address))
        {
            throw Wrong(entry, "host", "an IP address", host);
        }

        CultureInfo invariant = CultureInfo.InvariantCulture;
        if (!ushort.TryParse(port, NumberStyles.None, invariant, out ushort number) || number == 0)
        {
            throw Wrong(entry, "port", "1 to 65535", port);
        }

        if (string.IsNullOrEmpty(directory) || !Path.IsPathFullyQualified(directory))
        {
            throw Wrong(entry, "socket", "the full path of a directory", directory);
        }

        string? name = entry["interface"];
        if (name is not null && address.AddressFamily != AddressFamily.InterNetwork)
        {
            throw Wrong(entry, "host", "an IPv4 address where it moves to an interface", host);
        }

        return new(new(group == "0" ? (byte)0 : (byte)1), address, number, directory)
        {
            Interface = name,
        };
    }

    private static RefusedException Wrong(
        IConfigurationSection entry, string key, string expected, string? actual) =>
        new(new($"{entry.Path}:{key}", expected, actual ?? "nothing", "correct the configuration"));
}
