using System.Diagnostics;
using StorageOs.Simulator.Whole;

Stopwatch watch = Stopwatch.StartNew();
ulong first = ulong.Parse(args[0]);
ulong count = ulong.Parse(args[1]);
FaultKinds kinds = args.Length > 2 ? Enum.Parse<FaultKinds>(args[2]) : FaultKinds.All;
bool tell = args.Length > 3;
int bad = 0;
double virtualSeconds = 0;
long ops = 0, steps = 0;
for (ulong seed = first; seed < first + count; seed++)
{
    WholeOutcome outcome = new WholePair(seed, kinds, tell).Run();
    virtualSeconds += outcome.Time.TotalSeconds;
    ops += outcome.Operations;
    steps += outcome.Steps;
    if (outcome.Violation is not null || tell)
    {
        bad++;
        foreach (string line in outcome.Told) Console.WriteLine(line);
        Console.WriteLine($"seed {seed}: step {outcome.Step}: {outcome.Violation} {outcome.Trace:x}");
    }
}

Console.WriteLine($"{count} seeds, {bad} bad, {virtualSeconds:F0} virtual s in {watch.Elapsed.TotalSeconds:F1} s, {ops} ops, {steps} steps");
