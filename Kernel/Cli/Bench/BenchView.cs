namespace StorageOs.Kernel.Cli.Bench;

/// <summary>What the user sees while a measurement runs: one line on standard error, on a terminal.</summary>
internal sealed class BenchView(bool quiet)
{
    private readonly bool terminal = !quiet && !Console.IsErrorRedirected;
    private string last = "";

    /// <summary>Says what runs and how far it is.</summary>
    internal void Progress(string what, int done, int all)
    {
        if (terminal)
        {
            last = $"{what}, {done + 1} of {all}".PadRight(last.Length);
            Console.Error.Write($"\r{last}");
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
