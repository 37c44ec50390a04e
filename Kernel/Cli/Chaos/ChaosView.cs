using System.Globalization;
using Spectre.Console;

namespace StorageOs.Kernel.Cli.Chaos;

/// <summary>
/// What the user sees of it: a bar on a terminal, a line now and then elsewhere, nothing when a
/// program reads.
/// </summary>
internal sealed class ChaosView
{
    private const int RoundsPerLine = 20;
    private readonly Action<string> line;
    private readonly ProgressTask? bar;

    private ChaosView(Action<string> line, ProgressTask? bar) =>
        (this.line, this.bar) = (line, bar);

    /// <summary>Runs something with a view on it.</summary>
    internal static Task<T> ShowAsync<T>(Output output, Func<ChaosView, Task<T>> run)
    {
        if (output.Json || Console.IsOutputRedirected)
        {
            return run(new ChaosView(output.Say, bar: null));
        }

        IAnsiConsole console = Output.Tables();
        return Output.Progress(console).StartAsync(context =>
            run(new ChaosView(console.WriteLine, context.AddTask("chaos"))));
    }

    /// <summary>Shows how far it has come.</summary>
    internal void Progress(TimeSpan past, TimeSpan all, int rounds, int faults, long operations)
    {
        string text = string.Create(
            CultureInfo.InvariantCulture,
            $"round {rounds}, {faults} faults, {operations:N0} checked");
        if (bar is not null)
        {
            bar.Value = 100 * Math.Min(1, past / all);
            bar.Description = text;
        }
        else if (rounds % RoundsPerLine == 0 && rounds > 0)
        {
            line($"{past.TotalSeconds,7:F0} s  {text}");
        }
    }
}
