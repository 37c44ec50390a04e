using System.CommandLine;
using System.Globalization;
using System.Net.NetworkInformation;
using System.Text.Json.Nodes;
using Spectre.Console;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Cli.Doctor;

/// <summary>
/// <c>doctor</c>: looks at a machine before a node runs on it, and while one does, and says what
/// to change. Changes nothing; a flush is timed in a file of its own in the data folder.
/// </summary>
internal static class DoctorCommand
{
    internal static Command Make()
    {
        Option<string?> config = new("--config")
        {
            Description = "configuration of the one node of this machine, instead of a pair",
        };
        Option<string?> directory = PairCommand.Directory();
        Command command = new(
            "doctor", "Looks at machine, disks, network and nodes, and says what to change.")
        {
            config, directory,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(config) is not null && result.GetValue(directory) is not null)
            {
                result.AddError("Give --config or --dir, not both.");
            }
        });
        command.SetAction((parsed, cancellation) => RunAsync(
            Output.Of(parsed), parsed.GetValue(config), parsed.GetValue(directory), cancellation));
        return command;
    }

    /// <summary>Looks at a node by its configuration, and by asking it when it runs.</summary>
    internal static async Task<(string Node, IReadOnlyList<Diagnosis> Found)> ExamineAsync(
        string file, CancellationToken cancellation)
    {
        IReadOnlyList<Refusal> refusals =
            NodeConfiguration.Load(file, [], out NodeSettings? settings);
        if (settings is null)
        {
            return (file, [.. refusals.Select(static refusal => new Diagnosis(
                "configuration", Verdict.Bad,
                $"{refusal.Subject}: expected {refusal.Expected}, found {refusal.Actual}",
                refusal.Remedy))]);
        }

        JsonObject status = await NodeClient.StatusAsync(
            settings.Node.Name, settings.ManagementSocket, cancellation);
        List<Diagnosis> found = [new("configuration", Verdict.Good, file)];
        string process = status["pid"] is { } pid ? $"{pid}" : "self";
        await TryAsync("machine", () => Task.FromResult(MachineDoctor.Examine(process)));
        if (MachineDoctor.Watchdog(settings.Machine.Watchdog) is { } watchdog)
        {
            found.Add(watchdog);
        }

        await TryAsync("data", () => Task.FromResult(DiskDoctor.Examine(settings.Node)));
        await TryAsync("transport", () => PartnerDoctor.TransportAsync(settings));
        await TryAsync("partner", () =>
            PartnerDoctor.LatencyAsync(settings.Partner, cancellation));
        found.AddRange(NodeDoctor.Examine(status));
        return (settings.Node.Name, found);

        async Task TryAsync(string check, Func<Task<IEnumerable<Diagnosis>>> look) =>
            found.AddRange(await LookAsync(check, look));
    }

    /// <summary>One look that cannot be had is no reason to leave out the others.</summary>
    private static async Task<IReadOnlyList<Diagnosis>> LookAsync(
        string check, Func<Task<IEnumerable<Diagnosis>>> look)
    {
        try
        {
            return [.. await look()];
        }
        catch (Exception failure) when (CommandFailure.Of(failure) is not null
            || failure is PingException or PlatformNotSupportedException)
        {
            string why = (failure.InnerException ?? failure).Message;
            return
            [
                failure is RefusedException refused
                    ? new(check, Verdict.Bad, $"{refused.Refusal}", refused.Refusal.Remedy)
                    : new(check, Verdict.Unknown, why, "run this as the node's user, or as root"),
            ];
        }
    }

    private static async Task<int> RunAsync(
        Output output, string? config, string? directory, CancellationToken cancellation)
    {
        PairLayout pair = PairLayout.At(directory);
        if (config is null)
        {
            pair.Require();
        }

        List<(string Node, IReadOnlyList<Diagnosis> Found)> nodes = [];
        foreach (string name in config is null ? PairLayout.Names : [config])
        {
            if (config is null && !pair.IsLocal)
            {
                // Its disks and limits are in another machine: only what it says is known here.
                nodes.Add((name, [.. NodeDoctor.Examine(
                    await NodeClient.StatusAsync(name, pair.Socket(name), cancellation))]));
                continue;
            }

            nodes.Add(await ExamineAsync(config ?? pair.Config(name), cancellation));
        }

        bool bad = nodes.Any(static node => node.Found.Any(one => one.Verdict == Verdict.Bad));
        if (output.Json)
        {
            Output.Write(ToJson(nodes, bad));
        }
        else
        {
            Show(nodes);
        }

        return bad ? ExitCode.Degraded : ExitCode.Good;
    }

    /// <summary>The documented form.</summary>
    internal static JsonObject ToJson(
        IEnumerable<(string Node, IReadOnlyList<Diagnosis> Found)> nodes, bool bad) => new()
        {
            ["ok"] = !bad,
            ["checks"] = new JsonArray([.. nodes.SelectMany(static node =>
                node.Found.Select(one => one.ToJson(node.Node)))]),
        };

    private static void Show(List<(string Node, IReadOnlyList<Diagnosis> Found)> nodes)
    {
        Table table = new() { Border = TableBorder.Simple };
        table.AddColumn("Node").AddColumn("Check").AddColumn("").AddColumn("Found, and what to do");
        foreach ((string name, IReadOnlyList<Diagnosis> found) in nodes)
        {
            foreach (Diagnosis one in found)
            {
                string remedy = one.Remedy.Length == 0 ? "" : $"\n→ {one.Remedy}";
                table.AddRow(
                    new Text(name), new Text(one.Check), Word(one.Verdict),
                    new Text(Printable.Of(one.Found) + remedy));
            }
        }

        Output.Tables().Write(table);
        Diagnosis[] all = [.. nodes.SelectMany(static node => node.Found)];
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{all.Length} looked at: {Count(all, Verdict.Bad)} bad, "
            + $"{Count(all, Verdict.Advice)} with advice, {Count(all, Verdict.Unknown)} unknown"));
    }

    private static int Count(Diagnosis[] all, Verdict verdict) =>
        all.Count(one => one.Verdict == verdict);

    private static Text Word(Verdict verdict) => verdict switch
    {
        Verdict.Good => new("good", new Style(Color.Green)),
        Verdict.Unknown => new("unknown", new Style(Color.Grey)),
        Verdict.Advice => new("advice", new Style(Color.Yellow)),
        _ => new("bad", new Style(Color.Red, decoration: Decoration.Bold)),
    };
}
