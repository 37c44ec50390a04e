using System.CommandLine;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>scrub</c>: has each node of a pair compare both copies of what it owns, now. What that is is
/// decided by whichever module of a node has that command.
/// </summary>
internal static class ScrubCommand
{
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(20);

    internal static Command Make()
    {
        Option<string?> directory = PairCommand.Directory();
        Command command = new("scrub", "Compares both copies of every volume, from now on.")
        {
            directory,
        };
        command.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            return RunAsync(Output.Of(parsed), pair, cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        Output output, PairLayout pair, CancellationToken cancellation)
    {
        JsonArray started = [];
        JsonArray refused = [];
        IReadOnlyList<Refusal> refusals = await EachNode.DoAsync(PairLayout.Names, async name =>
        {
            JsonNode? result = await NodeClient.AskAsync(
                pair.Socket(name), "scrub", [], AnswerTimeMax, cancellation);
            foreach (JsonNode? group in result?["groups"] as JsonArray ?? [])
            {
                JsonObject one = new()
                {
                    ["node"] = name,
                    ["group"] = group?["group"]?.DeepClone(),
                    ["why"] = group?["why"]?.DeepClone(),
                };
                (group?["started"]?.GetValue<bool>() == true ? started : refused).Add(one);
            }
        });
        foreach (JsonNode? one in started.Count > 0 ? started : refused)
        {
            output.Say(started.Count > 0
                ? $"{one?["node"]} scrubs group {one?["group"]}; status shows how far it is"
                : $"{one?["node"]}, group {one?["group"]}: {one?["why"]}");
        }

        JsonObject done = new()
        {
            ["ok"] = started.Count > 0,
            ["started"] = started,
            ["refused"] = refused,
        };
        if (refusals.Count > 0)
        {
            return output.Fail(done, refusals);
        }

        if (output.Json)
        {
            Output.Write(done);
        }

        return started.Count > 0 ? ExitCode.Good : ExitCode.Degraded;
    }
}
