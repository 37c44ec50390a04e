using Microsoft.Coyote;
using Microsoft.Coyote.Logging;
using Microsoft.Coyote.SystematicTesting;

namespace StorageOs.Interleavings.Tests;

/// <summary>How a scheduler chooses who goes on.</summary>
public enum Choice
{
    /// <summary>Whoever went on, mostly: some switches, and long ways between them.</summary>
    Sticky,

    /// <summary>Anybody, at every point.</summary>
    Random,

    /// <summary>Whoever is preferred, until that changes: few switches, at any place.</summary>
    Prioritized,
}

/// <summary>What was found of a scenario.</summary>
/// <param name="Runs">How many schedules were run; with a bug, its is the last.</param>
/// <param name="Bug">What is wrong; null when nothing is.</param>
/// <param name="Trace">The schedule that shows it, to be run again.</param>
/// <param name="Uncontrolled">Calls that the scheduler has no part in.</param>
internal sealed record Finding(
    int Runs, string? Bug, string Trace, IReadOnlyCollection<string> Uncontrolled);

/// <summary>Runs a scenario under many schedules, each chosen from a seed.</summary>
internal static class Exploration
{
    private const uint StepsMax = 5_000;
    private const uint SwitchOneIn2ToThe = 3;

    /// <summary>Until a bug is found, or there were enough.</summary>
    public static Finding Run(Action scenario, Choice choice, uint seed, uint runs)
    {
        Configuration configuration = Common().WithTestingIterations(runs)
            .WithRandomGeneratorSeed(seed);
        return Run(scenario, choice switch
        {
            Choice.Random => configuration.WithRandomStrategy(),
            Choice.Sticky => configuration.WithProbabilisticStrategy(SwitchOneIn2ToThe),
            _ => configuration.WithPrioritizationStrategy(isFair: true),
        });
    }

    /// <summary>The very schedule of a trace.</summary>
    public static Finding Replay(Action scenario, string trace) =>
        Run(scenario, Common().WithReproducibleTrace(trace));

    private static Finding Run(Action scenario, Configuration configuration)
    {
        using TestingEngine engine = TestingEngine.Create(configuration, scenario);
        engine.Run();
        TestReport report = engine.TestReport;
        string? bug = report.NumOfFoundBugs == 0 && report.InternalErrors.Count == 0
            ? null
            : string.Join('\n', report.BugReports.Concat(report.InternalErrors));
        return new(
            report.NumOfExploredFairPaths + report.NumOfExploredUnfairPaths, bug,
            engine.ReproducibleTrace, [.. report.UncontrolledInvocations]);
    }

    private static Configuration Common() => Configuration.Create()
        .WithTelemetryEnabled(false)
        .WithVerbosityEnabled(VerbosityLevel.None)
        .WithMaxSchedulingSteps(StepsMax)
        .WithLockAccessRaceCheckingEnabled(true)
        .WithAtomicOperationRaceCheckingEnabled(true)
        .WithVolatileOperationRaceCheckingEnabled(true)
        .WithCollectionAccessRaceCheckingEnabled(true)
        .WithMemoryAccessRaceCheckingEnabled(true)
        .WithSystematicFuzzingFallbackEnabled(false)
        .WithPartiallyControlledConcurrencyAllowed(false);
}
