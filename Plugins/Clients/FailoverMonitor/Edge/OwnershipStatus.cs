using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// Section <c>ownership</c>: per group owner, term, sync and state; whether a takeover is possible,
/// and if not why; the witness; times of the last takeover.
/// </summary>
internal sealed class OwnershipStatus(MonitorClient client, IReactor reactor) : IStatusReporter
{
    /// <inheritdoc/>
    public string Section => "ownership";

    /// <inheritdoc/>
    public JsonNode? Report()
    {
        JsonArray groups = [];
        foreach (GroupDriver driver in client.Drivers)
        {
            groups.Add(ReportGroup(driver));
        }

        GroupDriver? any = client.Drivers.Count > 0 ? client.Drivers[0] : null;
        return new JsonObject
        {
            ["groups"] = groups,
            ["takeover"] = ReportTakeover(),
            ["vetoes"] = TakeoverReport.Vetoes(
                client.Vetoes, TimeProvider.System.GetUtcNow()),
            ["witness"] = ReportWitness(any),
            ["falseTakeovers"] = client.FalseTakeovers,
        };
    }

    /// <summary>Of every group that this node does not serve.</summary>
    private JsonObject ReportTakeover()
    {
        JsonArray reasons = [];
        JsonArray hindrances = [];
        bool started = client.Drivers.Count > 0;
        bool planned = started;
        bool failover = started;
        foreach (GroupDriver driver in client.Drivers)
        {
            foreach (JsonNode? one in driver.Core.Serves ? [] : TakeoverReport.Hindrances(driver))
            {
                reasons.Add($"{driver.Group}: {one!["what"]}");
                hindrances.Add(one.DeepClone());
                planned &= !one["planned"]!.GetValue<bool>();
                failover &= !one["failover"]!.GetValue<bool>();
            }
        }

        return new JsonObject
        {
            ["possible"] = planned && failover,
            ["planned"] = planned,
            ["failover"] = failover,
            ["reasons"] = reasons,
            ["hindrances"] = hindrances,
        };
    }

    private JsonObject ReportWitness(GroupDriver? any) => client.NoWitness
        ? new JsonObject
        {
            ["description"] = "none",
            ["state"] = "None",
            ["detail"] = "a lost link starts no takeover; only the owner goes on alone, and its"
                + " partner takes over only when the owner's process has ended and its record"
                + " says that it had not",
        }
        : new JsonObject
        {
            ["description"] = client.WitnessDescription,
            ["state"] = any?.Core.Witness.ToString() ?? "Unavailable",
            ["detail"] = any?.Core.WitnessDetail ?? "not asked yet",
            ["next"] = client.Witness?.NextDescription,
            ["moved"] = client.Witness?.HasMoved ?? false,
        };

    private JsonObject ReportGroup(GroupDriver driver)
    {
        RegisterEntry? entry = driver.Core.Known;
        JsonObject group = new()
        {
            ["group"] = driver.Group.Value,
            ["owner"] = entry is null ? null : NameOf(entry.Owner),
            ["term"] = entry?.Term.Value,
            ["sync"] = entry?.Sync.ToString(),
            ["staleNode"] = entry is { StaleNode: not 0 } ? NameOf(entry.StaleNode) : null,
            ["state"] = driver.Core.State,
            ["why"] = driver.Core.Why,
            ["serves"] = driver.Core.Serves,
            ["lastTakeover"] = driver.Times.Report(),
            ["lastPlanned"] = driver.Planned.Report(),
            ["giveback"] = TakeoverReport.Giveback(
                driver, client.Node.PartnerName, reactor.Now),
        };
        if (driver.Progress is CopyProgress progress)
        {
            group["resync"] = ReportResync(progress);
        }

        if (driver.LastResync is { } last)
        {
            JsonObject ended = ReportResync(last.Progress);
            ended["good"] = last.Good;
            group["lastResync"] = ended;
        }

        return group;
    }

    private static JsonObject ReportResync(in CopyProgress progress) => new()
    {
        ["kind"] = progress.Kind,
        ["why"] = progress.Why,
        ["bytesDone"] = progress.BytesDone,
        ["bytesTotal"] = progress.BytesTotal,
        ["bytesLeft"] = progress.BytesTotal - progress.BytesDone,
        ["bytesCompared"] = progress.BytesCompared,
        ["bytesToCompare"] = progress.BytesToCompare,
        ["mismatches"] = progress.Mismatches,
        ["bytesPerSecond"] = progress.BytesPerSecond,
        ["secondsLeft"] = progress.SecondsLeft < 0 ? null : progress.SecondsLeft,
    };

    private string NameOf(ulong systemId) =>
        systemId == client.Node.SystemId ? client.Node.Name : client.Node.PartnerName;
}
