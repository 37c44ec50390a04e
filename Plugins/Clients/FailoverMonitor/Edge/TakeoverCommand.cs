using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// <c>takeover</c>: makes this node own <c>group</c> (all by default). Planned by S14 while the
/// partner is up, in spite of vetoes named in <c>override</c>; with <c>force</c> and the register's
/// exact <c>term</c> by S12. With <c>check</c> nothing is moved: it says what would hinder that,
/// and how long it would take.
/// </summary>
internal sealed class TakeoverCommand(MonitorClient client, IReactor reactor) : IOperatorCommand
{
    private static readonly TimeSpan LookPeriod = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(35);

    // What is said of a session or a swap of just now may be late.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    /// <inheritdoc/>
    public string Name => "takeover";

    /// <inheritdoc/>
    public async ValueTask<JsonNode?> RunAsync(
        JsonObject arguments, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        bool force = Read<bool>(arguments, "force") ?? false;
        ulong? term = Read<ulong>(arguments, "term");
        int? only = Read<int>(arguments, "group");
        if (only is not null and not 0 and not 1)
        {
            throw Refused("group", "0 or 1", $"{only}");
        }

        client.RequireStarted("takeover");
        GroupDriver[] chosen =
            [.. client.Drivers.Where(driver => only is null || only == driver.Group.Value)];
        if (Read<bool>(arguments, "check") ?? false)
        {
            return new JsonObject
            {
                ["groups"] = new JsonArray(
                    [.. chosen.Select(driver => TakeoverReport.Check(driver, client.NoWitness))]),
            };
        }

        string overrides = ReadOverrides(arguments);
        JsonArray results = [];
        foreach (GroupDriver driver in chosen)
        {
            if (!driver.Core.Serves)
            {
                results.Add(await TellAsync(
                    driver, TakeAsync(driver, force, term, overrides, cancellation)));
            }

            driver.Hold(); // Whoever wants it here does not want it given back by itself.
        }

        return new JsonObject { ["groups"] = results };
    }

    private async Task<JsonObject> TellAsync(GroupDriver driver, Task<JsonObject> taking)
    {
        try
        {
            return await taking;
        }
        catch (RefusedException refused)
        {
            MonitorEvents.TakeoverRefused.Raise(client.Logger, driver.Group, refused.Refusal);
            throw;
        }
    }

    private async Task<JsonObject> TakeAsync(
        GroupDriver driver, bool force, ulong? term, string overrides,
        CancellationToken cancellation)
    {
        JsonObject result = new() { ["group"] = driver.Group.Value };
        if (force)
        {
            result["mayBeLost"] = Force(driver, term);
        }
        else
        {
            await UntilAsync(
                () => driver.Core.Serves
                    || !Hindering(driver, overrides).Any(one => one.Who.Length == 0),
                Patience, cancellation);
            Ask(driver, overrides);
        }

        await UntilAsync(
            () => driver.Core.Serves || (!force && Refusal(driver).Length > 0), Limit,
            cancellation);
        if (!driver.Core.Serves)
        {
            string why = Refusal(driver);
            throw Refused(
                "takeover", "this node to serve", why.Length > 0 ? why : driver.Core.Why);
        }

        result["term"] = driver.Core.Known?.Term.Value;
        result["state"] = driver.Core.State;
        return result;
    }

    private static Hindrance[] Hindering(GroupDriver driver, string overrides) =>
    [
        .. driver.Core.TakeoverHindrances(TimeProvider.System.GetUtcNow()).Where(one =>
            one.OfPlanned
            && !(one.Who.Length > 0 && GroupCore.IsOverridden(one.Who, overrides))),
    ];

    private static void Ask(GroupDriver driver, string overrides)
    {
        if (driver.Core.Serves)
        {
            return; // Its partner was lost a moment ago.
        }

        Hindrance[] hindrances = Hindering(driver, overrides);
        if (hindrances.Length > 0)
        {
            throw Refused(
                "takeover", $"{driver.Group} ready to move",
                string.Join("; ", hindrances.Select(one => one.What)), hindrances[0].Remedy);
        }

        driver.Ask(overrides);
    }

    private static string ReadOverrides(JsonObject arguments)
    {
        JsonArray names = arguments["override"] as JsonArray ?? [];
        string text = string.Join(',', names.Select(name => $"{name}"));
        return text.Length <= ViewPage.OverridesBytesMax
            && text.All(letter => char.IsAsciiLetterOrDigit(letter) || ",._-".Contains(letter))
            ? text
            : throw Refused(
                "takeover: override",
                $"names of modules, {ViewPage.OverridesBytesMax} letters together", $"\"{text}\"");
    }

    private string Force(GroupDriver driver, ulong? term)
    {
        RegisterEntry? entry = driver.Core.Known;
        if (entry is null || term != entry.Term.Value)
        {
            throw Refused(
                "takeover --force", $"term {entry?.Term.Value}, the register's", $"{term}");
        }

        if (client.InSession && entry.Owner != client.Node.SystemId)
        {
            throw Refused(
                "takeover --force", "a partner that is gone (S12)", "a session with it",
                "use a planned takeover, or stop the partner first");
        }

        MonitorEvents.TakeoverForced.Raise(client.Logger, driver.Group, entry.Term);
        driver.Feed(new ForceAsked(entry.Term));
        LogSummary log = driver.Summary;
        return entry.Sync == SyncState.Stale && entry.StaleNode == client.Node.SystemId
            ? $"everything after LSN {entry.StaleSince}, since when this node is stale"
            : client.NoWitness && entry.Owner != client.Node.SystemId
                ? $"everything that {client.Node.PartnerName} acknowledged by itself after LSN"
                    + $" {log.Tail}; nobody here knows whether it did"
            : log.Forgot
                ? $"everything that this node's log held and forgot ({log.ForgotWhy})"
                : $"nothing up to LSN {log.Tail} that was acknowledged";
    }

    private static string Refusal(GroupDriver driver) =>
        driver.Core.Request == 0 ? driver.Core.RequestRefused : "";

    private async Task UntilAsync(
        Func<bool> holds, TimeSpan limit, CancellationToken cancellation)
    {
        if (holds())
        {
            return;
        }

        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Instant start = reactor.Now;
        using IDisposable look = reactor.Every(LookPeriod, () =>
        {
            if (holds() || reactor.Now - start > limit)
            {
                done.TrySetResult();
            }
        });
        await done.Task.WaitAsync(cancellation);
    }

    private static T? Read<T>(JsonObject arguments, string name)
        where T : struct
    {
        if (arguments[name] is not JsonNode node)
        {
            return null;
        }

        return node is JsonValue value && value.TryGetValue(out T found)
            ? found
            : throw Refused($"takeover: {name}", typeof(T).Name, node.ToJsonString());
    }

    private static RefusedException Refused(
        string subject, string expected, string actual, string remedy = "") =>
        new(new Refusal(subject, expected, actual, remedy));
}
