// Who gets which ports and memory: admission against the node's limits before anything is mapped,
// and the plan both nodes compute from both lists and compare by its hash. Pure.
using System.Text;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Kernel.Ccm;

/// <summary>Decides what is admitted and where it lies.</summary>
internal static class ResourcePlan
{
    /// <summary>Port number of the plan's first port; below are well-known ones.</summary>
    private const uint PortNumberFirst = 1024;

    /// <summary>
    /// Checks a client's needs by themselves and beside what was admitted already.
    /// </summary>
    public static Refusal? Admit(ClientNeeds needs, IReadOnlyCollection<ClientNeeds> admitted)
    {
        string client = $"client {needs.Name}";
        if (Name(client, needs.Name) is { } bad)
        {
            return bad;
        }

        if (admitted.Any(other => other.Name == needs.Name))
        {
            return new(
                client, "a name no other client of this node has", needs.Name,
                "rename one of the two");
        }

        if (admitted.Count >= ClientLimits.ClientsMax)
        {
            return new(
                client, $"at most {ClientLimits.ClientsMax} clients", $"{admitted.Count + 1}");
        }

        if (needs.Versions.Min > needs.Versions.Max)
        {
            return new(
                client, "a version range whose first is not above its last", $"{needs.Versions}");
        }

        return Ports(client, needs) ?? Regions(client, needs, admitted)
            ?? Edition(client, [.. admitted, needs]);
    }

    /// <summary>All clients' needs travel to the partner in one record.</summary>
    private static Refusal? Edition(string client, IReadOnlyList<ClientNeeds> all)
    {
        const int Max = Record.PayloadBytesMax - Sealer.Overhead;
        ClientInfo[] clients = [.. all.Select(needs => Info(needs, uint.MaxValue))];
        int bytes = Codec.Write<Message>(new ClientEdition(uint.MaxValue, clients)).Length;
        return bytes <= Max ? null : new(
            client, $"the needs of all clients in {Max} bytes of one record", $"{bytes} bytes",
            "shorten the names of ports and regions, or run fewer clients");
    }

    /// <summary>
    /// Whether the twin's part fits ours; null when it does, else why the client waits.
    /// </summary>
    public static Refusal? Fit(ClientInfo ours, ClientInfo theirs, out ushort version)
    {
        version = 0;
        var our = new VersionRange(ours.VersionMin, ours.VersionMax);
        var their = new VersionRange(theirs.VersionMin, theirs.VersionMax);
        if (our.HighestCommon(their) is not { } common)
        {
            return new(
                $"client {ours.Name}", $"an interface version of {our}", $"{their} on the partner",
                "install a common version on both nodes");
        }

        version = common;
        if (!ours.Ports.SequenceEqual(theirs.Ports))
        {
            return new($"client {ours.Name}", $"ports {List(ours.Ports.Select(p => p.Name))}",
                $"{List(theirs.Ports.Select(p => p.Name))} on the partner, or of other sizes");
        }

        return ours.Regions.SequenceEqual(theirs.Regions)
            ? null
            : new($"client {ours.Name}",
                $"memory {List(ours.Regions.Select(r => $"{r.Name} of {r.Bytes} bytes"))}",
                List(theirs.Regions.Select(r => $"{r.Name} of {r.Bytes} bytes"))
                    + " on the partner");
    }

    /// <summary>
    /// Hash of a client's plan: port numbers and region numbers follow from the low node's
    /// incarnation alone, so they never change once given and do not depend on who came first.
    /// </summary>
    public static uint Hash(ClientInfo low, ClientInfo high, ushort version)
    {
        var plan = new StringBuilder()
            .Append(low.Name).Append('|').Append(low.Incarnation).Append('|')
            .Append(high.Incarnation).Append('|').Append(version);
        for (int i = 0; i < low.Ports.Length; i++)
        {
            _ = plan.Append("|p").Append(PortNumber(low.Incarnation, i)).Append(low.Ports[i]);
        }

        for (int i = 0; i < low.Regions.Length; i++)
        {
            _ = plan.Append("|r").Append(RegionNumber(low.Incarnation, i)).Append(low.Regions[i]);
        }

        return Crc32C.Of(Encoding.UTF8.GetBytes(plan.ToString()));
    }

    /// <summary>Number of a client's port in this session.</summary>
    public static uint PortNumber(uint lowIncarnation, int index) =>
        PortNumberFirst + (lowIncarnation * ClientLimits.PortsPerClientMax) + (uint)index;

    /// <summary>
    /// Number of a client's region in this session; region 0 is the well-known one.
    /// </summary>
    public static uint RegionNumber(uint lowIncarnation, int index) =>
        (lowIncarnation * ClientLimits.RegionsPerClientMax) + (uint)index + 1;

    /// <summary>A client's needs as they travel.</summary>
    public static ClientInfo Info(ClientNeeds needs, uint incarnation) => new(
        needs.Name, incarnation, needs.Versions.Min, needs.Versions.Max,
        [.. needs.Ports.Select(p => new PortInfo(p.Name, p.PostsInFlightMax, p.Class))],
        [.. needs.Regions.Select(
            r => new RegionInfo(r.Name, r.Bytes, r.Access, r.OfferedOnRequest))],
        needs.Critical);

    /// <summary>Checks an edition of the partner's at the boundary.</summary>
    public static Refusal? Check(ClientEdition edition)
    {
        const string Subject = "partner's client info";
        if (edition.Clients is null || edition.Clients.Length > ClientLimits.ClientsMax)
        {
            return new(
                Subject, $"at most {ClientLimits.ClientsMax} clients",
                $"{edition.Clients?.Length}");
        }

        foreach (ClientInfo client in edition.Clients)
        {
            if (client?.Ports is null || client.Regions is null || client.Ports.Any(p => p is null)
                || client.Regions.Any(r => r is null) || Name(Subject, client.Name) is not null
                || client.Ports.Length > ClientLimits.PortsPerClientMax
                || client.Regions.Length > ClientLimits.RegionsPerClientMax)
            {
                return new(Subject, "named clients within the limits", client?.Name ?? "none");
            }
        }

        return edition.Clients.DistinctBy(c => c.Name).Count() == edition.Clients.Length
            ? null
            : new(Subject, "each client once", List(edition.Clients.Select(c => c.Name)));
    }

    private static Refusal? Name(string subject, string? name) => ClientLimits.IsName(name)
        ? null
        : new(
            subject,
            $"a name of 1 to {ClientLimits.NameCharactersMax} letters, digits, '-', '.' or '_'",
            $"'{name}'");

    private static Refusal? Ports(string client, ClientNeeds needs)
    {
        if (needs.Ports.Count > ClientLimits.PortsPerClientMax)
        {
            return new(
                client, $"at most {ClientLimits.PortsPerClientMax} ports", $"{needs.Ports.Count}");
        }

        foreach (PortNeed port in needs.Ports)
        {
            if (Name($"{client}, port", port.Name) is { } bad)
            {
                return bad;
            }

            if (port.PostsInFlightMax is < 1 or > PortNeed.PostsInFlightLimit)
            {
                return new($"{client}, port {port.Name}",
                    $"1 to {PortNeed.PostsInFlightLimit} posts in flight",
                    $"{port.PostsInFlightMax}");
            }
        }

        return needs.Ports.DistinctBy(p => p.Name).Count() == needs.Ports.Count
            ? null
            : new(client, "ports of different names", List(needs.Ports.Select(p => p.Name)));
    }

    private static Refusal? Regions(
        string client, ClientNeeds needs, IReadOnlyCollection<ClientNeeds> admitted)
    {
        if (needs.Regions.Count > ClientLimits.RegionsPerClientMax)
        {
            return new(
                client, $"at most {ClientLimits.RegionsPerClientMax} regions",
                $"{needs.Regions.Count}");
        }

        foreach (RegionNeed region in needs.Regions)
        {
            if (Name($"{client}, region", region.Name) is { } bad)
            {
                return bad;
            }

            if (region.Bytes < 1)
            {
                return new(
                    $"{client}, region {region.Name}", "at least one byte", $"{region.Bytes}");
            }
        }

        if (needs.Regions.DistinctBy(r => r.Name).Count() != needs.Regions.Count)
        {
            return new(
                client, "regions of different names", List(needs.Regions.Select(r => r.Name)));
        }

        long before = admitted.Sum(Bytes);
        return before + Bytes(needs) <= ClientLimits.MemoryBytesMax
            ? null
            : new(
                client,
                $"at most {ClientLimits.MemoryBytesMax - before} more bytes of memory on this node",
                $"{Bytes(needs)}", "ask for less, or remove another client");
    }

    /// <summary>Memory a client asks for.</summary>
    public static long Bytes(ClientNeeds needs) => needs.Regions.Sum(r => (long)r.Bytes);

    private static string List(IEnumerable<string> names) =>
        string.Join(", ", names.DefaultIfEmpty("none"));
}
