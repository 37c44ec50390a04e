using System.CommandLine;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>stop</c>: ends nodes of a pair in good order, and waits until they have ended.
/// </summary>
internal static class StopCommand
{
    private static readonly TimeSpan StopTimeMax = TimeSpan.FromSeconds(30);

    internal static Command Make()
    {
        Argument<string?> node = StartCommand.Node();
        Option<string?> directory = PairCommand.Directory();
        Option<bool> kill = new("--kill")
        {
            Description = "end the process at once, without a word to its partner",
        };
        Command command = new("stop", "Stops nodes of a pair.") { node, directory, kill };
        command.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            IReadOnlyList<string> names = parsed.GetValue(node) is { } one
                ? [one] : PairLayout.Names;
            return RunAsync(
                Output.Of(parsed), pair, names, parsed.GetValue(kill), cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        Output output,
        PairLayout pair,
        IReadOnlyList<string> names,
        bool kill,
        CancellationToken cancellation)
    {
        JsonArray results = [];
        IReadOnlyList<Refusal> refusals = await EachNode.DoAsync(names, async name =>
        {
            string what = await StopAsync(pair, name, kill, cancellation);
            output.Say($"{name}: {what}");
            results.Add(new JsonObject { ["name"] = name, ["result"] = what });
        });

        if (PairLayout.Names.All(name => NodeProcess.Find(pair, name) is null))
        {
            await Image.GuestProcess.EndForwarderAsync(pair, cancellation);
        }

        JsonObject done = new() { ["ok"] = true, ["nodes"] = results };
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

    private static async Task<string> StopAsync(
        PairLayout pair, string name, bool kill, CancellationToken cancellation)
    {
        if (NodeProcess.Find(pair, name) is not { } pid)
        {
            return "did not run";
        }

        if (kill)
        {
            NodeProcess.Kill(pid);
        }
        else
        {
            await NodeClient.AskAsync(
                pair.Socket(name), "stop", null, NodeClient.StatusTimeMax, cancellation);
        }

        if (!await NodeProcess.HasEndedAsync(pid, StopTimeMax, cancellation))
        {
            throw new RefusedException(new Refusal(
                "its process", $"to end within {StopTimeMax.TotalSeconds} s",
                $"{pid}, which still runs", $"storageos stop {name} --kill"));
        }

        return kill ? "killed" : "stopped";
    }
}
