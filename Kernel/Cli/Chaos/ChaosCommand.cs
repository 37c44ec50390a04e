using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Chaos;

/// <summary>
/// <c>chaos</c>: does everything that can happen to a pair of its own, at random, while clients
/// read and write, and proves that no answer was wrong.
/// </summary>
internal static class ChaosCommand
{
    private const double MinutesMax = 24 * 60;

    internal static Command Make()
    {
        Option<double> minutes = new("--minutes")
        {
            Description = "how long",
            DefaultValueFactory = _ => 3,
        };
        minutes.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is not (> 0 and <= MinutesMax))
            {
                result.AddError($"--minutes takes more than 0 and at most {MinutesMax}.");
            }
        });
        Option<int?> seed = new("--seed")
        {
            Description = "plans the same faults again; their effects depend on the machine",
        };
        Option<string> transport = new("--transport")
        {
            Description = "id of the transport plugin",
            DefaultValueFactory = _ => "loopback",
        };
        Command command = new(
            "chaos",
            "Kills, pauses and starves a pair of its own at random, and checks every answer.")
        {
            minutes, seed, transport,
        };
        command.SetAction((parsed, cancellation) => RunAsync(
            Output.Of(parsed),
            TimeSpan.FromMinutes(parsed.GetValue(minutes)),
            parsed.GetValue(seed) ?? Random.Shared.Next(),
            parsed.GetValue(transport)!,
            cancellation));
        return command;
    }

    private static async Task<int> RunAsync(
        Output output, TimeSpan time, int seed, string transport, CancellationToken cancellation)
    {
        output.Say(string.Create(CultureInfo.InvariantCulture,
            $"chaos for {time.TotalMinutes:0.##} min, seed {seed}, over {transport}"));
        await using ChaosPair pair = await ChaosPair.StartAsync(transport, cancellation);
        if (!pair.DisksCanFill)
        {
            output.Say("no disk is filled: that needs root, who can make a small file system");
        }

        ChaosPlan plan = new(seed, [.. Enum.GetValues<ChaosFault>()
            .Where(fault => fault != ChaosFault.DiskFull || pair.DisksCanFill)]);
        pair.Keep = true; // Also when it ends by an exception.
        JsonObject report = await ChaosView.ShowAsync(
            output, view => new ChaosRun(pair, plan, seed, view).RunAsync(time, cancellation));
        bool good = ((JsonArray)report["violations"]!).Count == 0;
        pair.Keep = !good;
        report["ok"] = good;
        if (output.Json)
        {
            Output.Write(report);
        }
        else
        {
            Say(output, report, good);
        }

        if (!good)
        {
            output.Say($"the pair's files stay in {pair.Layout.Directory}");
        }

        return good ? ExitCode.Good : ExitCode.Failed;
    }

    private static void Say(Output output, JsonObject report, bool good)
    {
        foreach ((string fault, JsonNode? count) in (JsonObject)report["faults"]!)
        {
            output.Say(string.Create(CultureInfo.InvariantCulture,
                $"  {fault,-12}{count!["times"]!.GetValue<int>(),6} times,"
                + $"{count["whileWriting"]!.GetValue<int>(),6} while writes were in flight"));
        }

        output.Say(string.Create(CultureInfo.InvariantCulture,
            $"{report["faultsInAll"]!.GetValue<int>():N0} faults in"
            + $" {report["rounds"]!.GetValue<int>():N0} rounds,"
            + $" {report["answered"]!.GetValue<long>():N0} requests answered,"
            + $" {report["unansweredWrites"]!.GetValue<long>():N0} writes not;"));
        output.Say(string.Create(CultureInfo.InvariantCulture,
            $"{report["operationsChecked"]!.GetValue<long>():N0} operations on"
            + $" {report["blocksChecked"]!.GetValue<int>():N0} blocks checked,"
            + $" {report["falseTakeovers"]!.GetValue<int>():N0} false takeovers"));
        foreach (JsonNode? violation in (JsonArray)report["violations"]!)
        {
            output.Say($"VIOLATION: {violation}");
        }

        output.Say(good ? "no answer was wrong, nothing acknowledged was lost"
            : "the pair broke its promise");
    }
}
