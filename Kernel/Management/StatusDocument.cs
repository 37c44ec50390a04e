using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Management;

/// <summary>
/// A node's status as one JSON document; docs/OPERATIONS.md documents its form, which only grows.
/// </summary>
internal static class StatusDocument
{
    // Deep enough for any report, and shallow enough for what documents put around one: readers of
    // JSON stop at 64.
    private static readonly JsonSerializerOptions Nested = new()
    {
        MaxDepth = Limits.ReportDepthMax,
    };

    /// <summary>The document as it is now; modules are asked on their reactors.</summary>
    internal static async Task<JsonObject> OfAsync(Node node)
    {
        Dictionary<string, JsonNode?> parts = await ReportsAsync(node.Modules);
        CcmStatus session = node.Connection.Status;
        JsonObject? ownership = parts.GetValueOrDefault("ownership") as JsonObject;
        JsonObject document = new()
        {
            ["name"] = node.Info.Name,
            ["homeGroup"] = node.Info.HomeGroup.Value,
            ["pid"] = Environment.ProcessId,
            ["phase"] = node.Phase.ToString(),
            ["epoch"] = $"{node.Info.BootEpoch:x}",
            ["transport"] = node.Settings.Transport.Name,
            ["transportTraits"] = Of(node.Connection.Traits),
            ["persistence"] = node.Info.Persistence.ToString().ToLowerInvariant(),
            ["session"] = Session(session),
            ["partner"] = Partner(node, session),
            ["clients"] = Clients(node.Modules, session),
            ["volumes"] = Volumes(parts),
            ["takeover"] = ownership?["takeover"]?.DeepClone() ?? NoTakeover(ownership),
            ["witness"] = ownership?["witness"]?.DeepClone(),
            ["plugins"] = Plugins(node),
            ["recorded"] = new JsonObject
            {
                ["own"] = node.Recorded.Own,
                ["partner"] = node.Recorded.Partner,
            },
        };
        JsonObject sections = [];
        foreach ((string name, JsonNode? part) in parts)
        {
            sections[name] = part?.DeepClone();
        }

        document["sections"] = sections;
        return document;
    }

    /// <summary>Every plugin with where it stands.</summary>
    internal static JsonArray Plugins(Node node) =>
    [
        .. node.Modules.Select(Of),
        .. node.Lingering.Select(static left => (JsonNode)new JsonObject
        {
            ["id"] = left.Id,
            ["version"] = left.Version,
            ["state"] = nameof(ModuleState.Stopped),
            ["standing"] = PluginStanding.RestartPending,
            ["reason"] = "it has ended and its code is still in memory: something refers to it, "
                + "such as a thread or a timer of its own; a restart of the node frees it",
        }),
    ];

    /// <summary>One module.</summary>
    internal static JsonObject Of(Module module)
    {
        (ModuleState state, string reason, Refusal? refusal) = module.Standing;
        return new JsonObject
        {
            ["id"] = module.Id,
            ["kind"] = module.Kind.ToString().ToLowerInvariant(),
            ["version"] = module.Manifest?.Version ?? "",
            ["state"] = state.ToString(),
            ["reactor"] = module.Reactor?.Name ?? "",
            ["reason"] = reason,
            ["refusal"] = Of(refusal),
            ["standing"] = PluginStanding.Of(state, module.Finding),
            ["source"] = Lower(module.Manifest?.Origin),
            ["signature"] = Lower(module.Manifest?.Signature),
            ["maturity"] = Lower(module.Manifest?.Maturity),
            ["uses"] = Uses(module),
            ["containment"] = module switch
            {
                { Kind: not PluginKind.Client } => null,
                { Manifest.Isolation: PluginIsolation.Process } => "process",
                _ => "not contained",
            },
        };
    }

    /// <summary>What its clients were given, beside the limits of its manifest.</summary>
    private static JsonObject? Uses(Module module)
    {
        if (module is not { Kind: PluginKind.Client, Manifest.Limits: { } limits })
        {
            return null;
        }

        ClientNeeds[] needs = [.. module.Parts.Clients.Select(static client => client.Needs)];
        return new JsonObject
        {
            ["memoryBytes"] = needs.Sum(static one => one.Regions.Sum(r => (long)r.Bytes)),
            ["memoryBytesMax"] = limits.MemoryBytes,
            ["ports"] = needs.Sum(static one => one.Ports.Count),
            ["portsMax"] = limits.Ports,
            ["posts"] = needs.Sum(static one => one.Ports.Sum(p => (long)p.PostsInFlightMax)),
            ["postsMax"] = limits.Posts,
            ["logLinesLeftOut"] = module.Logs?.LeftOut ?? 0,
            ["logLinesMax"] = module.Logs is null
                ? null : limits.LogLines ?? Limits.PluginLogLinesUsual,
        };
    }

    private static string? Lower(Enum? value) => value?.ToString().ToLowerInvariant();

    private static JsonObject Of(TransportTraits traits) => new()
    {
        ["name"] = traits.Name,
        ["oneSided"] = traits.OneSided,
        ["survivesPowerLoss"] = traits.SurvivesPowerLoss,
    };

    /// <summary>A refusal; null for none.</summary>
    internal static JsonObject? Of(Refusal? refusal) => refusal is null ? null : new JsonObject
    {
        ["subject"] = refusal.Subject,
        ["expected"] = refusal.Expected,
        ["actual"] = refusal.Actual,
        ["remedy"] = refusal.Remedy,
    };

    private static async Task<Dictionary<string, JsonNode?>> ReportsAsync(
        IReadOnlyList<Module> modules)
    {
        List<(string Section, Task<JsonNode?> Part)> asked = [];
        foreach (Module module in modules)
        {
            foreach (IStatusReporter reporter in module.Parts.Reporters)
            {
                asked.Add((SectionOf(module, reporter), AskAsync(module, reporter)));
            }
        }

        Dictionary<string, JsonNode?> parts = [];
        foreach ((string section, Task<JsonNode?> part) in asked)
        {
            parts[section] = await part;
        }

        return parts;
    }

    private static string SectionOf(Module module, IStatusReporter reporter)
    {
        try
        {
            return reporter.Section ?? module.Id;
        }
#pragma warning disable CA1031 // A plugin's code may throw anything; its report has a name still.
        catch (Exception)
#pragma warning restore CA1031
        {
            return module.Id;
        }
    }

    private static async Task<JsonNode?> AskAsync(Module module, IStatusReporter reporter)
    {
        try
        {
            JsonNode? report = await module.View!
                .CallAsync(() => ValueTask.FromResult(reporter.Report()))
                .WaitAsync(Limits.ReportTimeMax);
            _ = report?.ToJsonString(Nested); // What cannot be written shows here.
            return report;
        }
        catch (TimeoutException)
        {
            return new JsonObject { ["notReported"] = $"{module.Id} does not answer" };
        }
#pragma warning disable CA1031 // A report may throw anything; it costs that part alone.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            return new JsonObject { ["notReported"] = McMasterPluginLoader.Shown(failure) };
        }
    }

    private static JsonObject Session(CcmStatus status) => new()
    {
        ["state"] = status.State,
        ["step"] = status.Step,
        ["id"] = status.Session?.ToString(),
        ["reason"] = status.Reason,
        ["refusal"] = Of(status.Refusal),
        ["count"] = status.Sessions,
        ["handshakeMs"] = status.HandshakeTook.TotalMilliseconds,
        ["path"] = status.Path,
    };

    private static JsonObject Partner(Node node, CcmStatus status) => new()
    {
        ["name"] = node.Info.PartnerName,
        ["condition"] = status.Partner.Condition.ToString(),
        ["phase"] = status.Partner.BootPhase.ToString(),
        ["epoch"] = $"{status.Partner.Epoch:x}",
        ["lastEnd"] = status.Partner.LastEnd is { } end ? $"{end.Reason}: {end.Detail}" : null,
        ["largestBeatGapMs"] = status.Partner.LargestBeatGap.TotalMilliseconds,
        ["beatLimitMs"] = status.Partner.BeatLimit.TotalMilliseconds,
        ["detectedAfterMs"] = status.Partner.DetectedAfter.TotalMilliseconds,
    };

    private static JsonArray Clients(IReadOnlyList<Module> modules, CcmStatus session)
    {
        JsonArray clients = [];
        foreach (Module module in modules.Where(module => module.Kind == PluginKind.Client))
        {
            (ModuleState state, string reason, _) = module.Standing;
            if (state == ModuleState.NotChosen)
            {
                continue; // Somebody decided so: nothing is lacking.
            }

            string[] names = [.. module.Parts.Clients.Select(client => client.Needs.Name)];
            foreach (string name in names.DefaultIfEmpty(module.Id))
            {
                CcmClientStatus? known = session.Clients.FirstOrDefault(
                    client => client.Name == name);
                bool lives = state is ModuleState.Starting or ModuleState.Running;
                clients.Add(new JsonObject
                {
                    ["name"] = name,
                    ["state"] = known is not null && lives ? known.State : state.ToString(),
                    ["ports"] = known?.Ports ?? 0,
                    ["memoryBytes"] = known?.MemoryBytes ?? 0,
                    ["reason"] = reason.Length == 0 && lives ? known?.Reason ?? "" : reason,
                });
            }
        }

        return clients;
    }

    // Three modules know a part each: volumes their group, ownership the group's owner, exports
    // where a volume is reached. Any of them may be missing.
    private static JsonArray Volumes(Dictionary<string, JsonNode?> parts)
    {
        JsonArray volumes = [];
        foreach (JsonObject volume in Items(parts.GetValueOrDefault("volumes")))
        {
            string name = $"{volume["name"]}";
            JsonObject? group = Items(parts.GetValueOrDefault("ownership") is JsonObject ownership
                    ? ownership["groups"] : null)
                .FirstOrDefault(group => $"{group["group"]}" == $"{volume["group"]}");
            JsonObject? export = Items(parts.GetValueOrDefault("exports"))
                .FirstOrDefault(export => $"{export["volume"]}" == name);
            volumes.Add(new JsonObject
            {
                ["name"] = name,
                ["group"] = volume["group"]?.DeepClone(),
                ["sizeBytes"] = volume["sizeBytes"]?.DeepClone(),
                ["served"] = volume["served"]?.DeepClone(),
                ["owner"] = group?["owner"]?.DeepClone(),
                ["sync"] = group?["sync"]?.DeepClone(),
                ["state"] = group?["state"]?.DeepClone(),
                ["why"] = group?["why"]?.DeepClone(),
                ["waits"] = Waits(volume, export),
                ["uri"] = export?["uri"]?.DeepClone(),
            });
        }

        return volumes;
    }

    private static string Waits(JsonObject volume, JsonObject? export) => string.Join("; ",
        new[] { $"{volume["waits"]}", $"{export?["waits"]}" }.Where(why => why.Length > 0));

    private static IEnumerable<JsonObject> Items(JsonNode? list) =>
        list is JsonArray items ? items.OfType<JsonObject>() : [];

    private static JsonObject NoTakeover(JsonObject? ownership) => new()
    {
        ["possible"] = false,
        ["reasons"] = new JsonArray(
            $"{ownership?["notReported"] ?? "no module decides ownership"}"),
    };
}
