using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Cli.Packages;

/// <summary>
/// <c>node</c>: what whoever restarts the one node of a machine must know before and after, be it
/// a package or a person.
/// </summary>
internal static class NodeCommand
{
    private const int WithinSeconds = 60;

    internal static Command Make() =>
        new("node", "Shows the one node of this machine: whether it can be stopped, and is up.")
        {
            Status(), CanStop(), IsUp(),
        };

    private static Option<string> Config() => new("--config")
    {
        Description = "the node's configuration",
        DefaultValueFactory = _ => "/etc/storageos/node.json",
    };

    private static Command Status()
    {
        Option<string> config = Config();
        Command command = new("status", "Shows it, its clients and volumes.") { config };
        command.SetAction((parsed, cancellation) =>
        {
            NodeSettings settings = Load(parsed.GetValue(config)!);
            return StatusCommand.ShowAsync(
                Output.Of(parsed), [(settings.Node.Name, settings.ManagementSocket)],
                cancellation);
        });
        return command;
    }

    private static Command CanStop()
    {
        Option<string> config = Config();
        Command command = new(
            "can-stop", "Whether its partner would serve everything from a good copy.") { config };
        command.SetAction(async (parsed, cancellation) =>
        {
            JsonObject status =
                await AskAsync(Load(parsed.GetValue(config)!), cancellation);
            return Tell(Output.Of(parsed), "it can be stopped", NodeStanding.WhyNotStop(status));
        });
        return command;
    }

    private static Command IsUp()
    {
        Option<string> config = Config();
        Option<string?> before = new("--compared-with")
        {
            Description = "its status -o json of before: what was no good then is no reason now",
        };
        Option<int> within = new("--within")
        {
            Description = "seconds that it has for it",
            DefaultValueFactory = _ => WithinSeconds,
        };
        Command command = new(
            "is-up", "Waits until it has loaded all that it means to, and says what has failed.")
        {
            config, before, within,
        };
        command.SetAction(async (parsed, cancellation) => Tell(
            Output.Of(parsed), "it is up", await UntilUpAsync(
                Load(parsed.GetValue(config)!),
                NodeStanding.FailedIn(Read(parsed.GetValue(before))),
                TimeSpan.FromSeconds(parsed.GetValue(within)), cancellation)));
        return command;
    }

    /// <summary>
    /// A node that did not answer before has no status: nothing was known to fail.
    /// </summary>
    private static JsonObject? Read(string? file) =>
        file is not null && File.ReadAllText(file) is { } text && text.AsSpan().Trim().Length > 0
            ? JsonNode.Parse(text)?["nodes"]?[0] as JsonObject : null;

    private static NodeSettings Load(string file)
    {
        IReadOnlyList<Refusal> refusals =
            NodeConfiguration.Load(file, [], out NodeSettings? settings);
        return settings ?? throw new RefusedException(refusals[0]);
    }

    private static Task<JsonObject> AskAsync(
        NodeSettings settings, CancellationToken cancellation) => NodeClient.StatusAsync(
            settings.Node.Name, settings.ManagementSocket, cancellation);

    /// <summary>
    /// Looks until two looks in a row find the same process with nothing left to load: one that
    /// ends and is started again is not up in between.
    /// </summary>
    private static async Task<IReadOnlyList<string>> UntilUpAsync(
        NodeSettings node, IReadOnlySet<string> before, TimeSpan limit,
        CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(PairCommand.LookAgain);
        string last = "";
        MachineSettings waits = node.Machine;
        limit += waits.PartnerWait;
        for (long from = Stopwatch.GetTimestamp(); ;)
        {
            JsonObject status = await AskAsync(node, cancellation);
            bool late = Stopwatch.GetElapsedTime(from) > limit;
            string settled = NodeStanding.IsSettled(status, late) ? $"{status["epoch"]}" : "";
            if (settled.Length > 0 && (settled == last || late))
            {
                return NodeStanding.WhyNotUp(status, before);
            }

            if (late)
            {
                // What it is told to wait for is no fault of its own.
                bool waiting = $"{status["phase"]}" == nameof(BootPhase.Connecting)
                    && !waits.WaitFor.All(Path.Exists);
                return waiting ? [] : [$"it is {status["phase"]} after {limit.TotalSeconds:0} s"];
            }

            last = settled;
            _ = await timer.WaitForNextTickAsync(cancellation);
        }
    }

    private static int Tell(Output output, string good, IReadOnlyList<string> whyNot)
    {
        if (output.Json)
        {
            Output.Write(new JsonObject
            {
                ["ok"] = whyNot.Count == 0,
                ["reasons"] = new JsonArray([.. whyNot.Select(static why => (JsonNode)why)]),
            });
        }
        else
        {
            foreach (string line in whyNot.DefaultIfEmpty(good))
            {
                Console.Out.WriteLine(Printable.Of(line));
            }
        }

        return whyNot.Count == 0 ? ExitCode.Good : ExitCode.Degraded;
    }
}
