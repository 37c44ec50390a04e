namespace StorageOs.Kernel.Cli.Bench;

/// <summary>What the user sees while something is measured: one line on standard error.</summary>
internal sealed class BenchView(bool quiet)
{
    private readonly bool terminal = !quiet && !Console.IsErrorRedirected;
    private string last = "";

    /// <summary>Says what runs and how far it is.</summary>
    internal void Progress(string what, int done, int all) =>
        Progress($"{what}, {done + 1} of {all}");

    /// <summary>Says what runs.</summary>
    internal void Progress(string what)
    {
        if (terminal)
        {
            Console.Error.Write($"\r{what.PadRight(last.Length)}");
            last = what;
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
