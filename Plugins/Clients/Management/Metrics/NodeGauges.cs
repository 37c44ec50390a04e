using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace StorageOs.Management.Metrics;

/// <summary>
/// The node's status as instruments of the meter <c>StorageOs.Node</c>: what an operator reads
/// there, a monitor can alert on. Read out of the last document that was refreshed.
/// </summary>
internal sealed class NodeGauges : IDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "StorageOs.Node";

    private readonly Meter meter = new(MeterName);
    private volatile JsonNode? status;

    public NodeGauges()
    {
        Flag("storageos.node.serving", "whether every client has started or was refused",
            node => Is(node["phase"], "Serving"));
        Flag("storageos.session.ready", "whether both nodes know that their connection works",
            node => Is(node["session"]?["state"], "Ready"));
        Flag("storageos.witness.reachable", "whether the register answered when last asked",
            node => Is(node["witness"]?["state"], "Found"));
        Flag("storageos.takeover.planned", "whether this node could take over on purpose",
            node => Truth(node["takeover"]?["planned"]));
        Flag("storageos.takeover.failover", "whether it could take over from a lost partner",
            node => Truth(node["takeover"]?["failover"]));
        Flag("storageos.node.protected",
            "whether the loss of the partner now would lose nothing and be taken over from",
            IsProtected);
        One("storageos.partner.beat_gap", "s", "largest gap between beats of the partner, lately",
            node => Number(node["partner"]?["largestBeatGapMs"]) / 1000);
        One("storageos.partner.beat_limit", "s", "how long its beat may stand still",
            node => Number(node["partner"]?["beatLimitMs"]) / 1000);
        One("storageos.sessions", null, "sessions with the partner since boot",
            node => Number(node["session"]?["count"]));
        One("storageos.takeovers.false", null, "takeovers from a partner that lived",
            node => Number(node["sections"]?["ownership"]?["falseTakeovers"]));
        One("storageos.certificate.left", "s", "until the certificate of the API ends",
            node => Number(node["sections"]?["management"]?["certificateSecondsLeft"]));
        Each("storageos.hindrances", null, "what hinders a takeover", "code",
            node => node["takeover"]?["hindrances"], "code", static _ => 1);
        AddGroups();
        AddVolumes();
        Each("storageos.plugin.running", null, "whether a plugin that was chosen runs", "plugin",
            node => node["plugins"], "id", static one => Is(one["state"], "NotChosen")
                ? null : Flag(Is(one["state"], "Running")));
    }

    /// <summary>Takes what is told from now on.</summary>
    public void Refresh(JsonNode? node) => status = node;

    /// <inheritdoc/>
    public void Dispose() => meter.Dispose();

    private void AddGroups()
    {
        const string Group = "group";
        JsonNode? Groups(JsonNode node) => node["sections"]?["ownership"]?["groups"];
        JsonNode? Logs(JsonNode node) => node["sections"]?["log"];
        Each("storageos.group.in_sync", null, "whether both copies are equal", Group,
            Groups, Group, static one => Flag(Is(one["sync"], "InSync")));
        Each("storageos.group.serves", null, "whether this node serves the group", Group,
            Groups, Group, static one => Flag(Truth(one["serves"])));
        Each("storageos.group.term", null, "term of the group's entry in the register", Group,
            Groups, Group, static one => Number(one["term"]));
        Each("storageos.resync.copied", "By", "bytes that a resync under way has copied", Group,
            Groups, Group, static one => Number(one["resync"]?["bytesDone"]));
        Each("storageos.resync.size", "By", "bytes that it has to copy", Group,
            Groups, Group, static one => Number(one["resync"]?["bytesTotal"]));
        Each("storageos.log.used", "By", "bytes of the group's log in use", Group,
            Logs, Group, static one => Number(one["usedBytes"]));
        Each("storageos.log.capacity", "By", "bytes that the group's log has", Group,
            Logs, Group, static one => Number(one["capacityBytes"]));
    }

    private void AddVolumes()
    {
        const string Volume = "volume";
        JsonNode? Volumes(JsonNode node) => node["sections"]?["volumes"];
        Each("storageos.volume.changed", "By", "changed since both copies were equal", Volume,
            Volumes, "name", static one => Number(one["changedBytes"]));
        Each("storageos.scrub.oldest_unverified", "s", "age of the extent compared longest ago",
            Volume, Volumes, "name",
            static one => Number(one["scrub"]?["oldestUnverifiedSeconds"]));
        Each("storageos.scrub.unresolved", null, "extents that differ and cannot be repaired",
            Volume, Volumes, "name", static one => Number(one["scrub"]?["unresolved"]));
        Each("storageos.scrub.repaired", null, "extents that differed and were repaired", Volume,
            Volumes, "name", static one => Number(one["scrub"]?["repaired"]));
        Each("storageos.volume.disk_fault", null, "whether this node's disk has failed", Volume,
            Volumes, "name", static one => Flag(one["diskFault"] is not null));
        Each("storageos.export.connections", null, "clients connected", Volume,
            node => node["sections"]?["exports"], Volume,
            static one => Number(one["connections"]));
    }

    private void Flag(string name, string about, Func<JsonNode, bool> read) =>
        One(name, null, about, node => Flag(read(node)));

    private void One(string name, string? unit, string about, Func<JsonNode, double?> read) =>
        meter.CreateObservableGauge(
            name,
            () => status is { } node && read(node) is { } value
                ? [new Measurement<double>(value)] : Array.Empty<Measurement<double>>(),
            unit, about);

    private void Each(
        string name, string? unit, string about, string tag, Func<JsonNode, JsonNode?> list,
        string key, Func<JsonNode, double?> read) =>
        meter.CreateObservableGauge(
            name,
            () => status is { } node && list(node) is JsonArray all
                ? all.OfType<JsonObject>().Where(one => read(one) is not null).Select(
                    one => new Measurement<double>(
                        read(one)!.Value,
                        new KeyValuePair<string, object?>(tag, $"{one[key]}")))
                : [],
            unit, about);

    private static bool IsProtected(JsonNode node) =>
        Is(node["session"]?["state"], "Ready") && Truth(node["takeover"]?["failover"])
        && node["sections"]?["ownership"]?["groups"] is JsonArray groups
        && groups.All(static group => Is(group?["sync"], "InSync"));

    private static double Flag(bool value) => value ? 1 : 0;

    private static bool Is(JsonNode? node, string text) => $"{node}" == text;

    private static bool Truth(JsonNode? node) =>
        node is JsonValue value && value.TryGetValue(out bool truth) && truth;

    /// <summary>By its text: a number is read only as the type that it was written as.</summary>
    private static double? Number(JsonNode? node) => double.TryParse(
        $"{node}", NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
        ? number : null;
}
