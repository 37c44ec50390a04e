using System.CommandLine;
using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>takeover</c>: has a node take a group over; planned when its partner is up, so it also moves
/// a group back. What it takes is decided by whichever module of the node has that command.
/// </summary>
internal static class TakeoverCommand
{
    private static readonly TimeSpan TakeoverTimeMax = TimeSpan.FromMinutes(2);

    internal static Command Make()
    {
        Option<string> node = new("--node")
        {
            Description = "the node that takes over",
            DefaultValueFactory = _ => PairLayout.Names[0],
        };
        node.AcceptOnlyFromAmong([.. PairLayout.Names]);
        Option<int?> group = new("--group") { Description = "group 0 or 1; all when left out" };
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
        command.Validators.Add(result =>
        {
            if (result.GetValue(force) && result.GetValue(term) is null)
            {
                result.AddError("--force needs --term, the term it is meant for.");
            }

            if (result.GetValue(group) is < 0 or > 1)
            {
                result.AddError("--group takes 0 or 1.");
            }
        });
        command.SetAction((parsed, cancellation) =>
        {
            JsonObject arguments = new() { ["force"] = parsed.GetValue(force) };
            if (parsed.GetValue(group) is { } chosen)
            {
                arguments["group"] = chosen;
            }

            if (parsed.GetValue(term) is { } number)
            {
                arguments["term"] = number;
            }

            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            return RunAsync(
                Output.Of(parsed), pair.Socket(parsed.GetValue(node)!), arguments, cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        Output output, string socket, JsonObject arguments, CancellationToken cancellation)
    {
        JsonNode? result = await NodeClient.AskAsync(
            socket, "takeover", arguments, TakeoverTimeMax, cancellation);
        if (output.Json)
        {
            Output.Write(new JsonObject { ["ok"] = true, ["result"] = result });
            return ExitCode.Good;
        }

        foreach ((string name, JsonNode? value) in result as JsonObject ?? [])
        {
            output.Say($"{name}: {value}");
        }

        return ExitCode.Good;
    }
}
