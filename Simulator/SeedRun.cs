using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli;
using StorageOs.Simulator.Whole;

namespace StorageOs.Simulator;

/// <summary>Runs one seed after the other and says what came of it.</summary>
internal sealed class SeedRun(Output output, FaultKinds kinds, bool story, int failuresMax)
{
    private static readonly TimeSpan ProgressPeriod = TimeSpan.FromSeconds(5);
    private readonly List<WholeOutcome> failures = [];
    private readonly JsonArray failed = [];
    private TimeSpan simulated;
    private long operations;
    private long faults;
    private long swaps;
    private long steps;
    private int forced;

    /// <summary>Runs so many seeds from the first on.</summary>
    /// <returns>The exit code: failed when any seed did.</returns>
    public int Run(ulong first, int seeds)
    {
        Stopwatch watch = Stopwatch.StartNew();
        TimeSpan due = ProgressPeriod;
        int done = 0;
        while (done < seeds && failures.Count < failuresMax)
        {
            Take(new WholePair(first + (ulong)done, kinds, story).Run());
            done++;
            if (watch.Elapsed >= due && !output.Json && !Console.IsErrorRedirected)
            {
                due = watch.Elapsed + ProgressPeriod;
                Console.Error.WriteLine($"{done} of {seeds} seeds, {failures.Count} failed");
            }
        }

        Conclude(first, done, watch.Elapsed);
        return failures.Count == 0 ? ExitCode.Good : ExitCode.Failed;
    }

    private void Take(WholeOutcome outcome)
    {
        simulated += outcome.Time;
        operations += outcome.Operations;
        faults += outcome.Faults;
        swaps += outcome.Swaps;
        steps += outcome.Steps;
        forced += outcome.NeedsForce ? 1 : 0;
        foreach (string line in outcome.Told)
        {
            output.Say(line);
        }

        if (outcome.Violation is null)
        {
            return;
        }

        failures.Add(outcome);
        WholeOutcome again = new WholePair(outcome.Seed, kinds).Run();
        bool same = again.Step == outcome.Step && again.Trace == outcome.Trace;
        failed.Add(new JsonObject
        {
            ["seed"] = outcome.Seed,
            ["event"] = outcome.Step,
            ["seconds"] = outcome.Time.TotalSeconds,
            ["violation"] = outcome.Violation,
            ["replaysAlike"] = same,
        });
        output.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"seed {outcome.Seed} failed at {outcome.Time.TotalSeconds:F3} s in event "
            + $"{outcome.Step}:"));
        output.Say($"  {outcome.Violation}");
        output.Say(same
            ? $"  again, event for event: storageos simulate --seed {outcome.Seed} --story"
            : $"  NOT the same when run again: event {again.Step}, {again.Violation}");
    }

    private void Conclude(ulong first, int done, TimeSpan took)
    {
        double rate = simulated.TotalSeconds / took.TotalSeconds;
        if (output.Json)
        {
            Output.Write(new JsonObject
            {
                ["ok"] = failures.Count == 0,
                ["firstSeed"] = first,
                ["seeds"] = done,
                ["faultKinds"] = kinds.ToString(),
                ["simulatedSeconds"] = Math.Round(simulated.TotalSeconds, 3),
                ["tookSeconds"] = Math.Round(took.TotalSeconds, 3),
                ["events"] = steps,
                ["requestsAnswered"] = operations,
                ["faults"] = faults,
                ["registerChanges"] = swaps,
                ["leftToForce"] = forced,
                ["failures"] = failed,
            });
            return;
        }

        output.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"{done} seeds from {first}: {failures.Count} failed; in {forced} a group was left to "
            + $"the operator's word"));
        output.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"{simulated.TotalSeconds:N0} simulated seconds in {took.TotalSeconds:F1} s: "
            + $"{rate:F0} a second"));
        output.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"{operations:N0} requests answered, {faults:N0} faults, "
            + $"{swaps:N0} register changes"));
        output.Say(string.Create(CultureInfo.InvariantCulture, $"{steps:N0} events"));
    }
}
