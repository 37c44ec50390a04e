using System.Globalization;
using Spectre.Console;

namespace StorageOs.Kernel.Cli.Drill;

/// <summary>
/// What the user sees of a drill: a bar below the timeline on a terminal, lines elsewhere, nothing
/// when a program reads.
/// </summary>
internal sealed class DrillView
{
    private const int PercentPerLine = 25;
    private readonly Action<string> line;
    private readonly ProgressTask? bar;
    private int saidPercent;

    private DrillView(Action<string> line, ProgressTask? bar) =>
        (this.line, this.bar) = (line, bar);

    /// <summary>Runs something with a view on it.</summary>
    internal static Task<T> ShowAsync<T>(Output output, Func<DrillView, Task<T>> run)
    {
        if (output.Json || Console.IsOutputRedirected)
        {
            return run(new DrillView(output.Say, bar: null));
        }

        IAnsiConsole console = Output.Tables();
        return Output.Progress(console).StartAsync(context =>
            run(new DrillView(console.WriteLine, context.AddTask("acknowledged"))));
    }

    /// <summary>Says one line of the timeline.</summary>
    internal void Say(string text) => line(text);

    /// <summary>Shows how much of the file is acknowledged.</summary>
    internal void Progress(long bytes, long all)
    {
        int percent = (int)(bytes * 100.0 / all);
        if (bar is not null)
        {
            bar.Value = percent;
        }
        else if (percent / PercentPerLine > saidPercent / PercentPerLine)
        {
            saidPercent = percent;
            line(string.Create(CultureInfo.InvariantCulture, $"{"",12}  {percent} % acknowledged"));
        }
    }
}
