using System.Diagnostics;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// What the user sees while something is measured, on standard error: one line that changes on a
/// terminal, else a line now and then.
/// </summary>
internal sealed class BenchView(bool quiet)
{
    private static readonly TimeSpan LinePeriod = TimeSpan.FromSeconds(10);
    private readonly bool terminal = !quiet && !Console.IsErrorRedirected;
    private readonly long begin = Stopwatch.GetTimestamp();
    private TimeSpan lineDue;
    private string last = "";
    private string counted = "";
    private long countedSince;

    /// <summary>Says what runs and how far it is, and when the like of it tells how long.</summary>
    internal void Progress(string what, int done, int all)
    {
        if (what != counted)
        {
            (counted, countedSince) = (what, Stopwatch.GetTimestamp());
        }

        double seconds = Stopwatch.GetElapsedTime(countedSince).TotalSeconds;
        string left = done == 0 ? ""
            : $", {Advance.Span((long)Math.Ceiling(seconds / done * (all - done)))} left";
        Progress($"{what}, {done + 1} of {all}{left}");
    }

    /// <summary>Says what runs.</summary>
    internal void Progress(string what)
    {
        if (terminal)
        {
            Console.Error.Write($"\r{what.PadRight(last.Length)}");
            last = what;
            return;
        }

        TimeSpan now = Stopwatch.GetElapsedTime(begin);
        if (!quiet && now >= lineDue)
        {
            Console.Error.WriteLine($"{now:mm\\:ss} {what}");
            lineDue = now + LinePeriod;
        }
    }

    /// <summary>Takes the line away.</summary>
    internal void End()
    {
        if (last.Length > 0)
        {
            Console.Error.Write($"\r{new string(' ', last.Length)}\r");
        }
    }
}
