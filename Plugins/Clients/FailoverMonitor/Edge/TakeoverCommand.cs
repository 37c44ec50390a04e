using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// <c>takeover</c>: makes this node own <c>group</c> (all by default). Planned by S14 while the
/// partner is up; with <c>force</c> and the register's exact <c>term</c> by S12.
/// </summary>
internal sealed class TakeoverCommand(MonitorClient client, IReactor reactor) : IOperatorCommand
{
    private static readonly TimeSpan LookPeriod = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(35);

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

        JsonArray results = [];
        foreach (GroupDriver driver in client.Drivers.ToArray())
        {
            if ((only is null || only == driver.Group.Value) && !driver.Core.Serves)
            {
                results.Add(await TakeAsync(driver, force, term, cancellation));
            }
        }

        return new JsonObject { ["groups"] = results };
    }

    private async Task<JsonObject> TakeAsync(
        GroupDriver driver, bool force, ulong? term, CancellationToken cancellation)
    {
        JsonObject result = new() { ["group"] = driver.Group.Value };
        if (force)
        {
            result["mayBeLost"] = Force(driver, term);
        }
        else
        {
            Ask(driver);
        }

        await UntilAsync(
            () => driver.Core.Serves || (!force && Refusal(driver).Length > 0), cancellation);
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

    private static void Ask(GroupDriver driver)
    {
        IReadOnlyList<string> hindrances = driver.Core.TakeoverHindrances();
        if (hindrances.Count > 0)
        {
            throw Refused(
                "takeover", $"{driver.Group} ready to move", string.Join("; ", hindrances));
        }

        driver.Feed(new TakeoverAsked(BitConverter.ToUInt64(Guid.NewGuid().ToByteArray(), 0) | 1));
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

    private async Task UntilAsync(Func<bool> holds, CancellationToken cancellation)
    {
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Instant start = reactor.Now;
        using IDisposable look = reactor.Every(LookPeriod, () =>
        {
            if (holds() || reactor.Now - start > Limit)
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
