using System.CommandLine;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Simulator;
using StorageOs.Simulator.Whole;

// The same command line as `storageos simulate`, which starts this program.
SimulateCommand options = new();
Command command = options.Build();
command.SetAction(parsed =>
{
    if (!FaultNames.TryParse(parsed.GetValue(options.Faults)!, out FaultKinds kinds))
    {
        return Output.Of(parsed).Fail(new Refusal(
            "--faults", FaultNames.All, parsed.GetValue(options.Faults)!));
    }

    ulong? seed = parsed.GetValue(options.Seed);
    int seeds = parsed.GetValue(options.Seeds) ?? (seed is null ? 100 : 1);
    int failuresMax = parsed.GetValue(options.First) ? 1 : 20;
    return new SeedRun(
        Output.Of(parsed), kinds, parsed.GetValue(options.Story), failuresMax)
        .Run(seed ?? 1, seeds);
});
RootCommand root = new("Whole pairs in virtual time.") { Output.Option, command };
return root.Parse(args).Invoke();
