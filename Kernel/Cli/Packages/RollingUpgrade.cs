using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Packages;

// One node at a time leaves the pair, and only while its partner serves everything from a good
// copy. What can be known beforehand is looked at before the first one is touched; a node that does
// not come up with the new version is put back to the old one. So the pair serves at every point at
// which this can end, and running it again goes on from there.

/// <summary>Brings both nodes of a pair that runs to another version.</summary>
/// <param name="pair">The pair.</param>
/// <param name="target">The other version.</param>
/// <param name="say">Is told each step: which node it is of, and what was done.</param>
internal sealed class RollingUpgrade(
    PairLayout pair, Release target, Action<string?, string> say)
{
    private static readonly TimeSpan MoveTimeMax = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan SayAgain = TimeSpan.FromSeconds(10);
    private const string Again = "then run the same again: it goes on from here";

    private readonly Dictionary<string, NodeUpgrade> nodes = [];
    private int[] groups = [];

    /// <summary>Upgrades what does not run it yet, and brings every group home.</summary>
    /// <exception cref="RefusedException">It stopped; the pair serves.</exception>
    internal async Task RunAsync(CancellationToken cancellation)
    {
        await RequireWellAsync(cancellation);
        foreach (string name in PairLayout.Names)
        {
            NodeUpgrade node = NodeUpgrade.Of(pair, name, target);
            nodes[name] = node;
            await node.PrepareAsync(cancellation);
            say(name, node.IsDone
                ? $"{name} runs {target.Version} already"
                : $"{name} runs {node.Before.Version}; {target.Version} takes its configuration");
        }

        foreach (string name in PairLayout.Names.Where(name => !nodes[name].IsDone))
        {
            await UpgradeAsync(name, cancellation);
        }

        foreach (string name in PairLayout.Names)
        {
            await MoveAsync(name, HomeOf(name), cancellation);
        }

        await SettleAsync("both", () => true, cancellation);
        say(null, $"both nodes run {target.Version}, and every group is home");
    }

    /// <summary>Nothing is begun with a pair that could not lose a node.</summary>
    private async Task RequireWellAsync(CancellationToken cancellation)
    {
        PairStatus status = await PairStatus.AskAsync(pair, cancellation);
        if (TroubleOf(status) is { } trouble)
        {
            throw new RefusedException(new Refusal(
                $"pair in {pair.Directory}", "both nodes well and in sync", trouble,
                "storageos status says more; correct that first"));
        }

        groups =
        [
            .. status.Nodes.SelectMany(static node => node["volumes"] as JsonArray ?? [])
                .Select(static volume => volume!["group"]!.GetValue<int>()).Distinct(),
        ];
    }

    /// <summary>What is at home on a node; a group without volumes is nowhere.</summary>
    private int[] HomeOf(string name) =>
        [.. groups.Where(group => group == PairLayout.HomeGroup(name))];

    private async Task UpgradeAsync(string name, CancellationToken cancellation)
    {
        string partner = PairLayout.Other(name);
        await MoveAsync(partner, groups, cancellation);
        await SettleAsync(name, () => true, cancellation);
        await RequireServesAllAsync(partner, cancellation);

        // From here to where the node is up again nothing is cut off: it would stay down.
        cancellation.ThrowIfCancellationRequested();
        NodeUpgrade node = nodes[name];
        try
        {
            await node.StopAsync(CancellationToken.None);
            say(name, $"{name} is stopped; {partner} serves");
            node.Switch();
            await StartAsync(node, cancellation);
        }
        catch (Exception failure) when (CommandFailure.Of(failure) is { } why)
        {
            await BackAsync(node, why);
        }

        say(name, $"{name} is back with {target.Version} and in sync");
        await MoveAsync(name, HomeOf(name), cancellation);
        await SettleAsync(name, () => true, cancellation);
    }

    /// <summary>Has a node serve groups that it does not serve yet.</summary>
    private async Task MoveAsync(string to, int[] those, CancellationToken cancellation)
    {
        foreach (int group in those)
        {
            if (await ServesAsync(to, group, cancellation))
            {
                continue;
            }

            await RequirePossibleAsync(to, group, cancellation);
            JsonObject arguments = TakeoverCommand.Arguments([]);
            arguments["group"] = group;
            _ = await NodeClient.AskAsync(
                pair.Socket(to), "takeover", arguments, TakeoverCommand.TakeoverTimeMax,
                cancellation);
            await UntilAsync(
                () => ServesAsync(to, group, cancellation), MoveTimeMax,
                () => new Refusal(
                    $"group {group}", $"{to} to serve it after its move", "not yet",
                    $"storageos status shows who does; {Again}"), cancellation);
            say(to, $"{to} serves group {group}");
        }
    }

    /// <summary>What hinders a move may be over in a moment: it is waited for a while.</summary>
    private async Task RequirePossibleAsync(
        string to, int group, CancellationToken cancellation)
    {
        string why = "no answer";
        JsonObject arguments = new() { ["check"] = true, ["group"] = group };
        await UntilAsync(
            async () =>
            {
                JsonNode? answer = await NodeClient.AskAsync(
                    pair.Socket(to), "takeover", arguments.DeepClone().AsObject(),
                    NodeClient.StatusTimeMax, cancellation);
                JsonNode? check = (answer?["groups"] as JsonArray)?.FirstOrDefault();
                why = string.Join("; ", (check?["hindrances"] as JsonArray ?? []).Select(
                    static one => $"{one?["what"]} ({one?["remedy"]})"));
                return check?["possible"]?.GetValue<bool>() == true;
            },
            MoveTimeMax,
            () => new Refusal(
                $"move of group {group} to {to}", "nothing that hinders it", why,
                $"do what it says, {Again}"), cancellation);
    }

    private async Task RequireServesAllAsync(string name, CancellationToken cancellation)
    {
        JsonObject status =
            await NodeClient.StatusAsync(name, pair.Socket(name), cancellation);
        string[] not =
        [
            .. (status["volumes"] as JsonArray ?? [])
                .Where(static volume => volume?["served"]?.GetValue<bool>() != true)
                .Select(static volume => $"{volume?["name"]}"),
        ];
        if ($"{status["phase"]}" != "Serving" || not.Length > 0)
        {
            throw new RefusedException(new Refusal(
                $"node {name}", "to serve every volume before its partner is stopped",
                not.Length > 0 ? $"{string.Join(", ", not)} not served" : $"{status["phase"]}",
                $"storageos status says why; {Again}"));
        }
    }

    /// <summary>Starts a node; its resync alone can be cut off.</summary>
    private async Task StartAsync(NodeUpgrade node, CancellationToken cancellation)
    {
        await node.StartAsync(CancellationToken.None);
        bool Runs() => node.Runs;
        await UntilAsync(
            async () => !Runs() || (await PairStatus.AskAsync(pair, CancellationToken.None))
                .Lacks.Count == 0,
            PairCommand.ReadyTimeMax,
            () => node.DidNotBoot("not ready in time"), CancellationToken.None);
        if (!Runs())
        {
            throw new RefusedException(
                node.DidNotBoot(NodeProcess.LastWords(pair, node.Name)));
        }

        await SettleAsync(node.Name, Runs, cancellation);
    }

    /// <summary>
    /// Waits until both copies are equal, for as long as that goes on: how much there is to copy
    /// hangs on what was written meanwhile.
    /// </summary>
    private async Task SettleAsync(string name, Func<bool> runs, CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(PairCommand.LookAgain);
        long said = Stopwatch.GetTimestamp();
        for (int ill = 0; ;)
        {
            PairStatus status = await PairStatus.AskAsync(pair, cancellation);
            if (TroubleOf(status) is not { } trouble)
            {
                return;
            }

            // A resync may take hours; anything else is over soon or is trouble.
            ill = status.Lacks.Count == 0 ? 0 : ill + 1;
            if (!runs() || ill * PairCommand.LookAgain > MoveTimeMax)
            {
                throw new RefusedException(new Refusal(
                    $"pair in {pair.Directory}", "both nodes well and in sync", trouble,
                    $"storageos status says more; correct that, {Again}"));
            }

            if (Stopwatch.GetElapsedTime(said) > SayAgain)
            {
                said = Stopwatch.GetTimestamp();
                string what = status.Advances is [var first, ..] ? $"{first}" : trouble;
                say(name, $"waiting: {what}");
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }
    }

    /// <summary>Puts a node back to what it ran before, and says why.</summary>
    private async Task BackAsync(NodeUpgrade node, Refusal why)
    {
        say(node.Name, $"{node.Name} did not come up with {target.Version}: {why}");
        string becomes;
        try
        {
            await node.BackAsync();
            await StartAsync(node, CancellationToken.None);
            becomes = $"{node.Name} runs {node.Before.Version} again, and both serve";
        }
        catch (Exception failure) when (CommandFailure.Of(failure) is { } worse)
        {
            becomes = $"{PairLayout.Other(node.Name)} serves alone, for {node.Name} does not come"
                + $" up with {node.Before.Version} either: {worse}";
        }

        throw new RefusedException(
            why with { Remedy = $"see {pair.Log(node.Name)}; {becomes}" });
    }

    private async Task<bool> ServesAsync(
        string name, int group, CancellationToken cancellation)
    {
        JsonObject status =
            await NodeClient.StatusAsync(name, pair.Socket(name), cancellation);
        JsonNode?[] volumes =
        [
            .. (status["volumes"] as JsonArray ?? []).Where(
                volume => volume?["group"]?.GetValue<int>() == group),
        ];
        return volumes.Length > 0
            && volumes.All(static volume => volume!["served"]?.GetValue<bool>() == true);
    }

    /// <summary>What keeps the pair from being able to lose a node; null for nothing.</summary>
    private static string? TroubleOf(PairStatus status) => status.Lacks
        .Concat(status.Exposed)
        .Concat(status.Nodes.SelectMany(static node => node["volumes"] as JsonArray ?? [])
            .Where(static volume => $"{volume?["sync"]}" is not ("InSync" or "Moved"))
            .Select(static volume => $"{volume?["name"]} is {volume?["sync"]}"))
        .FirstOrDefault();

    private static async Task UntilAsync(
        Func<Task<bool>> holdsAsync, TimeSpan limit, Func<Refusal> otherwise,
        CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(PairCommand.LookAgain);
        for (long from = Stopwatch.GetTimestamp(); !await holdsAsync();)
        {
            if (Stopwatch.GetElapsedTime(from) > limit)
            {
                throw new RefusedException(otherwise());
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }
    }
}
