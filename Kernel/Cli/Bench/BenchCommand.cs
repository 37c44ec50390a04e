using System.CommandLine;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Bench.Guests;
using StorageOs.Kernel.Management;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// <c>bench</c>: measures the pair beside what bounds it, both in one run, in turns.
/// </summary>
internal static class BenchCommand
{
    private static readonly string[] Parts =
        ["port", "append", "handshake", "tcp", "export", "takeover", "idle"];

    private const string Soak = "soak";

    /// <summary>What needs the client that measures from within.</summary>
    private static readonly string[] Probed = ["port", "append", "handshake"];

    internal static Command Make()
    {
        Option<string[]> only = new("--only")
        {
            Description = "parts to run; all but soak unless chosen; with --guests "
                + string.Join('|', GuestBench.Parts),
            DefaultValueFactory = _ => Parts,
            HelpName = string.Join('|', [.. Parts, Soak]),
            AllowMultipleArgumentsPerToken = true,
        };
        only.AcceptOnlyFromAmong([.. Parts, Soak, .. GuestBench.Parts]);
        Option<int> rounds = Number("--rounds", "rounds in which both sides take turns", 5);
        Option<int> times = Number("--times", "takeovers of each kind", 50);
        Option<double> seconds = Seconds();
        Option<int> minutes = Number("--minutes", "minutes of the soak", 30);
        Option<bool> guests = new("--guests")
        {
            Description = "in a pair of guests, beside DRBD, NVMe over fabrics and perftest",
        };
        Option<string?> etcd = new("--etcd")
        {
            Description = "addresses of etcd's members, which hold the register for takeover",
            HelpName = "URL,…",
        };
        Command command = new("bench", "Measures the pair beside what bounds it.")
        {
            only, rounds, times, seconds, minutes, guests, etcd,
        };
        command.SetAction((parsed, cancellation) => parsed.GetValue(guests)
            ? GuestBench.RunAsync(
                Output.Of(parsed),
                parsed.GetResult(only) is { Implicit: false } ? parsed.GetValue(only)!
                    : GuestBench.Parts,
                parsed.GetValue(rounds),
                parsed.GetResult(times) is { Implicit: false } ? parsed.GetValue(times)
                    : GuestBench.TimesUsual,
                (int)Math.Ceiling(parsed.GetValue(seconds)), cancellation)
            : RunAsync(
                Output.Of(parsed),
                parsed.GetValue(only)!,
                new(parsed.GetValue(rounds), parsed.GetValue(times), parsed.GetValue(seconds),
                    parsed.GetValue(minutes),
                    parsed.GetValue(etcd)?.Split(',', StringSplitOptions.TrimEntries) ?? []),
                cancellation));
        return command;
    }

    private static Option<double> Seconds()
    {
        Option<double> option = new("--seconds")
        {
            Description = "seconds of one run of fio",
            DefaultValueFactory = static _ => 2,
        };
        option.Validators.Add(static result =>
        {
            if (result.GetValueOrDefault<double>() is not (>= 0.1 and <= 1000))
            {
                result.AddError("--seconds takes 0.1 to 1000.");
            }
        });
        return option;
    }

    private static Option<int> Number(string name, string description, int usual)
    {
        Option<int> option = new(name)
        {
            Description = description,
            DefaultValueFactory = _ => usual,
        };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 1000)
            {
                result.AddError($"{name} takes 1 to 1000.");
            }
        });
        return option;
    }

    private readonly record struct Extent(
        int Rounds, int Times, double Seconds, int Minutes, IReadOnlyList<string> Etcd);

    private static async Task<int> RunAsync(
        Output output, string[] only, Extent extent, CancellationToken cancellation)
    {
        BenchView view = new(output.Json);
        JsonObject results = [];
        List<Refusal> failures = [];
        if (only.Intersect(Probed).Any())
        {
            await TryAsync("nodes", () =>
                new ProbeBench(view, extent.Rounds).RunAsync(only, results, cancellation));
        }

        await TryPartAsync("tcp", () =>
            new TcpBench(view, extent.Rounds).RunAsync(cancellation));
        await TryPartAsync("export", () =>
            new ExportBench(view, extent.Rounds, extent.Seconds).RunAsync(cancellation));
        await TryPartAsync("takeover", () =>
            new TakeoverBench(view, extent.Times, extent.Etcd).RunAsync(cancellation));
        await TryPartAsync("idle", () => new IdleBench(view).RunAsync(cancellation));
        await TryPartAsync(Soak, () =>
            new SoakBench(view, TimeSpan.FromMinutes(extent.Minutes)).RunAsync(cancellation));
        view.End();
        if (output.Json)
        {
            results["failed"] = new JsonArray([.. failures.Select(StatusDocument.Of)]);
            Output.Write(results);
            return failures.Count == 0 ? ExitCode.Good : ExitCode.Failed;
        }

        output.Say("one machine, persistence level process, transport loopback"
            + " but where tcp is said");
        Output.Tables().Write(BenchTable.Of(results));
        return failures.Count == 0 ? ExitCode.Good : output.Fail(failures);

        async Task TryPartAsync(string part, Func<Task<JsonObject>> run)
        {
            if (only.Contains(part))
            {
                await TryAsync(part, async () => results[part] = await run());
            }
        }

        // What was measured before is not lost with a part that cannot be.
        async Task TryAsync(string part, Func<Task> run)
        {
            try
            {
                await run();
            }
            catch (RefusedException refused)
            {
                failures.Add(refused.Refusal with
                {
                    Subject = $"{part}: {refused.Refusal.Subject}",
                });
            }
        }
    }
}
