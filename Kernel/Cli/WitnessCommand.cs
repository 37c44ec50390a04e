using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>witness move</c>: moves the register of a running pair to the witness that both nodes have as
/// their next. How is decided by whichever module of a node has that command.
/// </summary>
internal static class WitnessCommand
{
    private const string ModuleCommand = "moveWitness";
    private static readonly TimeSpan MoveTimeMax = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan SeenTimeMax = TimeSpan.FromSeconds(20);

    internal static Command Make()
    {
        Option<string?> directory = PairCommand.Directory();
        Command move = new("move", "Moves the register to the next witness while the pair runs.")
        {
            directory,
        };
        move.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            return MoveAsync(Output.Of(parsed), pair, cancellation);
        });
        return new Command("witness", "The place of the pair's register.") { move };
    }

    private static async Task<int> MoveAsync(
        Output output, PairLayout pair, CancellationToken cancellation)
    {
        // A node that cannot follow would be without a witness: both must be able to, first.
        PairStatus before = await PairStatus.AskAsync(pair, cancellation);
        foreach (JsonObject node in before.Nodes.Where(static node => !HasMoved(node)))
        {
            JsonObject check = new() { ["check"] = true };
            await AskAsync(pair, $"{node["name"]}", check, cancellation);
        }

        JsonNode? result = await AskAsync(pair, PairLayout.Names[0], [], cancellation);
        PairStatus after = await SeenAsync(pair, cancellation);
        string[] lacks = [.. after.Nodes.Where(static node => !HasMoved(node))
            .Select(static node => $"{node["name"]} does not see it yet:"
                + $" {node["witness"]?["detail"]}{node["reason"]}")];
        if (output.Json)
        {
            Output.Write(new JsonObject
            {
                ["ok"] = true,
                ["result"] = result?.DeepClone(),
                ["lacks"] = new JsonArray([.. lacks.Select(static lack => (JsonNode)lack)]),
            });
        }
        else
        {
            output.Say($"the register is in {result?["witness"]}");
            Array.ForEach(lacks, output.Say);
        }

        return lacks.Length == 0 ? ExitCode.Good : ExitCode.Degraded;
    }

    private static async Task<PairStatus> SeenAsync(
        PairLayout pair, CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(PairCommand.LookAgain);
        PairStatus status;
        long begin = Stopwatch.GetTimestamp();
        do
        {
            status = await PairStatus.AskAsync(pair, cancellation);
        }
        while (!status.Nodes.All(HasMoved) && Stopwatch.GetElapsedTime(begin) < SeenTimeMax
            && await timer.WaitForNextTickAsync(cancellation));
        return status;
    }

    /// <summary>Whether a node reads the register and has no place left to move it to.</summary>
    private static bool HasMoved(JsonObject node) =>
        node["witness"] is JsonObject { } witness && witness["next"] is null
        && $"{witness["moved"]}" == "true" && $"{witness["state"]}" == "Found";

    private static async Task<JsonNode?> AskAsync(
        PairLayout pair, string node, JsonObject arguments, CancellationToken cancellation)
    {
        try
        {
            return await NodeClient.AskAsync(
                pair.Socket(node), ModuleCommand, arguments, MoveTimeMax, cancellation);
        }
        catch (RefusedException refused)
        {
            Refusal why = refused.Refusal;
            throw new RefusedException(why with { Subject = $"{node}: {why.Subject}" }, refused);
        }
    }
}
