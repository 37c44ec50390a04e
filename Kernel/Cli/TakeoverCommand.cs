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
    private static readonly TimeSpan TakeoverTimeMax = TimeSpan.FromMinutes(2);

    internal static Command Make()
    {
        Option<string> node = new("--node")
        {
            Description = "the node that takes over",
            DefaultValueFactory = _ => PairLayout.Names[0],
        };
        node.AcceptOnlyFromAmong([.. PairLayout.Names]);
        Option<string?> group = new("--group")
        {
            Description = "0, 1 or all; the group at home on that node when left out",
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
        Option<string?> directory = PairCommand.Directory();
        Command command = new("takeover", "Moves volumes to a node.")
        {
            node, group, force, term, directory,
        };
        command.Validators.Add(result => CheckForce(
            result, result.GetValue(force), result.GetValue(group), result.GetValue(term)));
        command.SetAction((parsed, cancellation) =>
        {
            string name = parsed.GetValue(node)!;
            JsonObject arguments = new() { ["force"] = parsed.GetValue(force) };
            if (GroupOf(name, parsed.GetValue(group)) is { } chosen)
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

    /// <summary>
    /// The group asked for; null for all. Moving home is what is meant by default.
    /// </summary>
    private static int? GroupOf(string node, string? asked) => asked switch
    {
        null => PairLayout.HomeGroup(node),
        All => null,
        _ => asked[0] - '0',
    };

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
