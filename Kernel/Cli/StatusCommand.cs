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
        Option<bool> watch = new("--watch") { Description = "go on until Ctrl-C" };
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
            return parsed.GetValue(watch) && !output.Json
                ? WatchAsync(nodes, cancellation)
                : ShowAsync(output, nodes, cancellation);
        });
        return command;
    }

    /// <summary>Shows a pair's live table until cancelled.</summary>
    internal static Task<int> WatchAsync(PairLayout pair, CancellationToken cancellation) =>
        WatchAsync(PairLayout.Names.Select(name => (name, pair.Socket(name))), cancellation);

    private static async Task<int> ShowAsync(
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
