using System.CommandLine;
using Spectre.Console;

namespace StorageOs.Kernel.Cli;

/// <summary><c>status</c>: shows a pair, or one node by its socket.</summary>
internal static class StatusCommand
{
    internal static Command Make()
    {
        Option<string?> directory = PairCommand.Directory();
        Option<string?> socket = new("--socket")
        {
            Description = "the management socket of one node, instead of a pair",
        };
        Option<bool> watch = new("--watch")
        {
            Description = "show it anew each second, until Ctrl-C",
        };
        Command command = new("status", "Shows nodes, clients and volumes.")
        {
            directory, socket, watch,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(directory) is not null && result.GetValue(socket) is not null)
            {
                result.AddError("Give --dir or --socket, not both.");
            }
        });
        command.SetAction((parsed, cancellation) =>
        {
            (string, string)[] nodes;
            if (parsed.GetValue(socket) is { } one)
            {
                nodes = [(one, one)]; // A path, or tcp:ADDRESS:PORT,KEYFILE.
            }
            else
            {
                PairLayout pair = PairLayout.At(parsed.GetValue(directory));
                pair.Require();
                nodes = [.. PairLayout.Names.Select(name => (name, pair.Socket(name)))];
            }

            Output output = Output.Of(parsed);
            return !parsed.GetValue(watch) ? ShowAsync(output, nodes, cancellation)
                : output.Json || Console.IsOutputRedirected
                ? TellAsync(output, nodes, cancellation)
                : WatchAsync(nodes, cancellation);
        });
        return command;
    }

    /// <summary>Shows a pair's live table until cancelled.</summary>
    internal static Task<int> WatchAsync(PairLayout pair, CancellationToken cancellation) =>
        WatchAsync(PairLayout.Names.Select(name => (name, pair.Socket(name))), cancellation);

    /// <summary>Shows nodes once; the exit code says how they are.</summary>
    internal static async Task<int> ShowAsync(
        Output output,
        IEnumerable<(string Name, string Socket)> nodes,
        CancellationToken cancellation)
    {
        PairStatus status = await PairStatus.AskAsync(nodes, cancellation);
        if (output.Json)
        {
            Output.Write(status.ToJson());
        }
        else
        {
            Output.Tables().Write(StatusTable.Of(status));
        }

        bool noneAnswers = status.Nodes.All(node => $"{node["phase"]}" == "Unreachable");
        return noneAnswers ? ExitCode.Failed
            : status.Lacks.Count + status.Exposed.Count > 0 ? ExitCode.Degraded : ExitCode.Good;
    }

    /// <summary>
    /// For whom nothing can be drawn over: whatever is other than before, one after the other.
    /// </summary>
    private static async Task<int> TellAsync(
        Output output, IReadOnlyList<(string Name, string Socket)> nodes,
        CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(PairCommand.LookAgain);
        string last = "";
        try
        {
            do
            {
                PairStatus status = await PairStatus.AskAsync(nodes, cancellation);
                string now = output.Json ? status.ToJson().ToJsonString() : TextOf(status);
                if (now != last)
                {
                    last = now;
                    Console.Out.WriteLine(now);
                }
            }
            while (await timer.WaitForNextTickAsync(cancellation));
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Good; // Ctrl-C is how it ends.
        }

        return ExitCode.Good;
    }

    private static string TextOf(PairStatus status)
    {
        using StringWriter text = new();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = 80;
        console.Write(StatusTable.Of(status));
        return text.ToString();
    }

    private static async Task<int> WatchAsync(
        IEnumerable<(string Name, string Socket)> nodes, CancellationToken cancellation)
    {
        (string Name, string Socket)[] all = [.. nodes];
        using PeriodicTimer timer = new(PairCommand.LookAgain);
        await Output.Tables().Live(new Text("asking…")).StartAsync(async live =>
        {
            try
            {
                do
                {
                    live.UpdateTarget(
                        StatusTable.Of(await PairStatus.AskAsync(all, cancellation)));
                    live.Refresh();
                }
                while (await timer.WaitForNextTickAsync(cancellation));
            }
            catch (OperationCanceledException)
            {
                live.Refresh();
            }
        });
        return ExitCode.Good;
    }
}
