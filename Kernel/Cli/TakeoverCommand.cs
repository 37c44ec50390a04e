using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>takeover</c>: has a node take a group over; planned when its partner is up, so it also moves
/// a group back. What it takes is decided by whichever module of the node has that command.
/// </summary>
internal static class TakeoverCommand
{
    private const string All = "all";
    internal static readonly TimeSpan TakeoverTimeMax = TimeSpan.FromMinutes(2);

    internal static Command Make()
    {
        Option<string?> node = new("--node")
        {
            Description = "the node that takes over; needed but for --check",
        };
        node.AcceptOnlyFromAmong([.. PairLayout.Names]);
        Option<string?> group = new("--group")
        {
            Description = "0 or 1; all that the other node serves when left out",
        };
        group.AcceptOnlyFromAmong("0", "1", All);
        Option<bool> force = new("--force")
        {
            Description = "take over although acknowledged data may be lost",
        };
        Option<ulong?> term = new("--term")
        {
            Description = "the term that --force is meant for, as status shows it",
        };
        Option<bool> check = new("--check")
        {
            Description = "only say what would hinder it, and how long it would take; of both"
                + " nodes and all groups unless named",
        };
        Option<string[]> overrides = Override();
        Option<string?> directory = PairCommand.Directory();
        Command command = new("takeover", "Moves volumes to a node.")
        {
            node, group, force, term, check, overrides, directory,
        };
        command.Validators.Add(result => CheckForce(
            result, result.GetValue(force), result.GetValue(group), result.GetValue(term)));
        command.Validators.Add(result => CheckNode(
            result, result.GetValue(check), result.GetValue(force), result.GetValue(node)));
        command.SetAction((parsed, cancellation) =>
        {
            if (parsed.GetValue(check))
            {
                return CheckAsync(
                    Output.Of(parsed), PairLayout.At(parsed.GetValue(directory)),
                    parsed.GetValue(node) is { } one ? [one] : PairLayout.Names,
                    parsed.GetValue(group), cancellation);
            }

            string name = parsed.GetValue(node)!;
            JsonObject arguments = Arguments(parsed.GetValue(overrides) ?? []);
            arguments["force"] = parsed.GetValue(force);
            if (GroupOf(parsed.GetValue(group)) is { } chosen)
            {
                arguments["group"] = chosen;
            }

            if (parsed.GetValue(term) is { } number)
            {
                arguments["term"] = number;
            }

            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            return RunAsync(Output.Of(parsed), pair, name, arguments, cancellation);
        });
        return command;
    }

    /// <summary>The option that names whose vetoes are overridden.</summary>
    internal static Option<string[]> Override() => new("--override")
    {
        Description = "name of a module whose veto is overridden; may be given again",
    };

    /// <summary>Arguments of the module's command, with whose vetoes are overridden.</summary>
    internal static JsonObject Arguments(IReadOnlyList<string> overrides) => new()
    {
        ["override"] = new JsonArray([.. overrides.Select(name => (JsonNode)name)]),
    };

    private static Task<int> CheckAsync(
        Output output, PairLayout pair, IReadOnlyList<string> nodes, string? group,
        CancellationToken cancellation)
    {
        pair.Require();
        return TakeoverCheck.RunAsync(output, pair, nodes, GroupOf(group), cancellation);
    }

    /// <summary>A force is for exactly one group in exactly one term (rule S12).</summary>
    private static void CheckForce(CommandResult result, bool force, string? group, ulong? term)
    {
        if (force && term is null)
        {
            result.AddError("--force needs --term, the term it is meant for.");
        }

        if (force && (group is null or All))
        {
            result.AddError("--force needs --group 0 or 1, the group it is meant for.");
        }
    }

    private static void CheckNode(CommandResult result, bool check, bool force, string? node)
    {
        if (check && force)
        {
            result.AddError("Give --check or --force, not both.");
        }

        if (!check && node is null)
        {
            result.AddError("takeover needs --node a or b, the node that takes over.");
        }
    }

    /// <summary>The group asked for; null for all.</summary>
    private static int? GroupOf(string? asked) => asked is null or All ? null : asked[0] - '0';

    private static async Task<int> RunAsync(
        Output output, PairLayout pair, string node, JsonObject arguments,
        CancellationToken cancellation)
    {
        JsonNode? result = await NodeClient.AskAsync(
            pair.Socket(node), "takeover", arguments, TakeoverTimeMax, cancellation);
        if (output.Json)
        {
            Output.Write(new JsonObject { ["ok"] = true, ["result"] = result?.DeepClone() });
            return ExitCode.Good;
        }

        JsonArray groups = result?["groups"] as JsonArray ?? [];
        foreach (JsonNode? group in groups)
        {
            output.Say(
                $"{node} serves group {group?["group"]} in term {group?["term"]}, "
                + $"{group?["state"]}");
            if (group?["mayBeLost"] is { } lost)
            {
                output.Say($"may be lost: {lost}");
            }
        }

        if (groups.Count == 0)
        {
            output.Say(arguments["group"] is { } one
                ? $"{node} serves group {one} already" : $"{node} serves all groups already");
        }

        return ExitCode.Good;
    }
}
