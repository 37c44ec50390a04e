using System.CommandLine;
using System.Diagnostics;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>simulate</c>: whole pairs in one thread and virtual time, each from its seed. The simulator
/// is a program of its own, for it is built with the plugins and the kernel knows none.
/// </summary>
internal sealed class SimulateCommand
{
    private const string Program = "StorageOs.Simulator";

    /// <summary>How many seeds.</summary>
    internal Option<int?> Seeds { get; } = new("--seeds")
    {
        Description = "how many seeds to run (default 100; 1 when --seed is given)",
    };

    /// <summary>The first of them.</summary>
    internal Option<ulong?> Seed { get; } = new("--seed")
    {
        Description = "the first seed (default 1)",
    };

    /// <summary>What may go wrong.</summary>
    internal Option<string> Faults { get; } = new("--faults")
    {
        Description = "what may go wrong, with commas between: network, kill, pause, power,"
            + " disk, rot, clock, witness, operator, revoke; none or all (default)",
        DefaultValueFactory = _ => "all",
    };

    /// <summary>Whether to tell what happened.</summary>
    internal Option<bool> Story { get; } = new("--story")
    {
        Description = "tells what happened, line by line",
    };

    /// <summary>Whether one failure is enough.</summary>
    internal Option<bool> First { get; } = new("--first")
    {
        Description = "stops at the first seed that fails",
    };

    /// <summary>The command, without what it does.</summary>
    internal Command Build() => new(
        "simulate", "Runs whole pairs in virtual time, each from a seed, and judges them.")
    {
        Seeds, Seed, Faults, Story, First,
    };

    /// <summary>The command in the kernel's program: runs the simulator's.</summary>
    internal static Command Make()
    {
        Command command = new SimulateCommand().Build();
        command.SetAction(RunElsewhereAsync);
        return command;
    }

    private static async Task<int> RunElsewhereAsync(
        ParseResult parsed, CancellationToken cancellation)
    {
        string path = Path.GetFullPath(
            Path.Combine(AppContext.BaseDirectory, "..", "simulator", Program));
        if (!File.Exists(path))
        {
            return Output.Of(parsed).Fail(new Refusal(
                "simulate", $"the simulator at {path}", "none", "build it: ./storageos does"));
        }

        using Process simulator = Process.Start(
            path, parsed.Tokens.Select(static token => token.Value));
        await simulator.WaitForExitAsync(cancellation);
        return simulator.ExitCode;
    }
}
