using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Trace;

/// <summary>
/// <c>trace</c>: has the next writes traced by whichever nodes serve them, and shows where the time
/// of each went. What is traced is decided by whichever module of a node has that command.
/// </summary>
internal static class TraceCommand
{
    private const int WritesMax = 64;

    internal static Command Make()
    {
        Option<string?> volume = new("--volume")
        {
            Description = "only writes to this volume; to any when left out",
        };
        Option<int> writes = new("--writes")
        {
            Description = $"how many writes to trace, 1 to {WritesMax}",
            DefaultValueFactory = static _ => 1,
        };
        writes.Validators.Add(static result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > WritesMax)
            {
                result.AddError($"--writes takes 1 to {WritesMax}.");
            }
        });
        Option<string?> slower = Time(
            "--slower-than", "only writes that took longer than 500us, 2ms or 1s");
        Option<string?> timeout = Time("--timeout", "how long to wait for them; 10s by default");
        Option<bool> stop = new("--stop")
        {
            Description = "trace nothing, and have whoever does be answered with what there is",
        };
        Option<string?> directory = PairCommand.Directory();
        Command command = new("trace", "Shows where the time of the next writes goes.")
        {
            volume, writes, slower, timeout, stop, directory,
        };
        command.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            TraceRequest request = new(
                parsed.GetValue(volume), parsed.GetValue(writes),
                ShortTime.Parse(parsed.GetValue(slower)) ?? TimeSpan.Zero,
                ShortTime.Parse(parsed.GetValue(timeout)) ?? TraceRequest.TimeUsual);
            return parsed.GetValue(stop)
                ? StopAsync(Output.Of(parsed), pair, request)
                : RunAsync(Output.Of(parsed), pair, request, cancellation);
        });
        return command;
    }

    private static Option<string?> Time(string name, string what)
    {
        Option<string?> option = new(name) { Description = what, HelpName = "TIME" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && ShortTime.Parse(token.Value) is null)
            {
                result.AddError(
                    $"{name} takes a number with us, ms or s, at most 60s, not {token.Value}.");
            }
        });
        return option;
    }

    private static async Task<int> RunAsync(
        Output output, PairLayout pair, TraceRequest request, CancellationToken cancellation)
    {
        PairStatus status = await PairStatus.AskAsync(pair, cancellation);
        string[] owners = OwnersOf(status, request.Volume);
        TraceRun run = new(owners, pair, request);
        IReadOnlyList<Refusal> refusals = await run.RunAsync(cancellation);
        JsonObject document = run.ToJson();
        if (refusals.Count > 0)
        {
            Show(output, run);
            return output.Fail(document, refusals);
        }

        if (output.Json)
        {
            Output.Write(document);
        }
        else
        {
            Show(output, run);
        }

        return run.Writes.Count > 0 ? ExitCode.Good : ExitCode.Degraded;
    }

    private static async Task<int> StopAsync(
        Output output, PairLayout pair, TraceRequest request)
    {
        IReadOnlyList<Refusal> refusals =
            await new TraceRun(PairLayout.Names, pair, request).StopAsync();
        if (refusals.Count > 0)
        {
            return output.Fail(refusals);
        }

        output.Say("nobody traces writes any more");
        if (output.Json)
        {
            Output.Write(new JsonObject { ["ok"] = true });
        }

        return ExitCode.Good;
    }

    /// <summary>The nodes that serve what is to be traced.</summary>
    private static string[] OwnersOf(PairStatus status, string? volume)
    {
        (string Node, JsonNode? Volume)[] all = [.. status.Nodes.SelectMany(
            static node => node["volumes"] as JsonArray ?? [],
            static (node, one) => ($"{node["name"]}", one))];
        string[] names = [.. all.Select(static one => $"{one.Volume?["name"]}").Distinct()];
        if (volume is not null && names.Length > 0 && !names.Contains(volume))
        {
            throw new RefusedException(new Refusal(
                "trace --volume", $"one of {string.Join(", ", names)}", volume));
        }

        string[] owners = [.. PairLayout.Names.Where(
            (name, at) => (status.Nodes[at]["volumes"] as JsonArray ?? []).Any(one =>
                one?["served"]?.GetValue<bool>() == true
                && (volume is null || $"{one["name"]}" == volume)))];
        return owners.Length > 0 ? owners : throw new RefusedException(new Refusal(
            "trace", $"a node that serves {volume ?? "a volume"}", "none",
            "see storageos status for why"));
    }

    private static void Show(Output output, TraceRun run)
    {
        foreach (JsonObject write in run.Writes)
        {
            foreach (string line in Waterfall.Of(write))
            {
                output.Say(line);
            }
        }

        foreach (string line in run.Remarks())
        {
            output.Say(line);
        }
    }
}

/// <summary>What is asked for.</summary>
/// <param name="Volume">Only of this volume; null for all.</param>
/// <param name="Writes">So many.</param>
/// <param name="SlowerThan">Only those that took longer.</param>
/// <param name="Time">How long to wait.</param>
internal sealed record TraceRequest(
    string? Volume, int Writes, TimeSpan SlowerThan, TimeSpan Time)
{
    internal static readonly TimeSpan TimeUsual = TimeSpan.FromSeconds(10);

    /// <summary>Arguments of the module's command.</summary>
    internal JsonObject ToJson() => new()
    {
        ["volume"] = Volume,
        ["writes"] = Writes,
        ["slowerThanUs"] = (int)SlowerThan.TotalMicroseconds,
        ["timeoutMs"] = Math.Max(1, (int)Time.TotalMilliseconds),
    };

    /// <summary>What is waited for, for people.</summary>
    public override string ToString() =>
        $"write to {Volume ?? "any volume"}"
        + (SlowerThan > TimeSpan.Zero ? string.Create(
            CultureInfo.InvariantCulture,
            $" slower than {SlowerThan.TotalMicroseconds:0} µs") : "");
}
