using System.CommandLine;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>giveback</c>: has each group's home take it over, as <c>takeover</c> does; whatever held it
/// away from home is over then.
/// </summary>
internal static class GivebackCommand
{
    internal static Command Make()
    {
        Option<string?> group = new("--group")
        {
            Description = "0 or 1; both when left out",
        };
        group.AcceptOnlyFromAmong("0", "1");
        Option<string[]> overrides = TakeoverCommand.Override();
        Option<string?> directory = PairCommand.Directory();
        Command command = new("giveback", "Moves volumes home.") { group, overrides, directory };
        command.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            string[] homes =
            [
                .. PairLayout.Names.Where(name =>
                    parsed.GetValue(group) is not { } one
                    || one == $"{PairLayout.HomeGroup(name)}"),
            ];
            return RunAsync(
                Output.Of(parsed), pair, homes, parsed.GetValue(overrides) ?? [], cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        Output output, PairLayout pair, string[] homes, string[] overrides,
        CancellationToken cancellation)
    {
        JsonArray moved = [];
        IReadOnlyList<Refusal> refusals = await EachNode.DoAsync(homes, async home =>
        {
            int group = PairLayout.HomeGroup(home);
            JsonObject arguments = TakeoverCommand.Arguments(overrides);
            arguments["group"] = group;
            JsonNode? result = await NodeClient.AskAsync(
                pair.Socket(home), "takeover", arguments, TakeoverCommand.TakeoverTimeMax,
                cancellation);
            JsonArray groups = result?["groups"] as JsonArray ?? [];
            output.Say(groups.Count == 0
                ? $"group {group} is at home on {home}"
                : $"group {group} is home on {home}, in term {groups[0]!["term"]}");
            foreach (JsonNode? one in groups)
            {
                JsonObject moving = one!.DeepClone().AsObject();
                moving.Insert(0, "node", home);
                moved.Add(moving);
            }
        });
        JsonObject done = new() { ["ok"] = true, ["moved"] = moved };
        if (refusals.Count > 0)
        {
            return output.Fail(done, refusals);
        }

        if (output.Json)
        {
            Output.Write(done);
        }

        return ExitCode.Good;
    }
}
