using System.CommandLine;
using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// <c>bench</c>: measures the pair beside what bounds it, both in one run, in turns.
/// </summary>
internal static class BenchCommand
{
    private static readonly string[] Parts =
        ["port", "append", "handshake", "export", "takeover", "idle"];

    internal static Command Make()
    {
        Option<string[]> only = new("--only")
        {
            Description = "parts to run: " + string.Join(", ", Parts),
            DefaultValueFactory = _ => Parts,
            AllowMultipleArgumentsPerToken = true,
        };
        only.AcceptOnlyFromAmong(Parts);
        Option<int> rounds = new("--rounds")
        {
            Description = "rounds in which both sides take turns",
            DefaultValueFactory = _ => 5,
        };
        Option<int> times = new("--times")
        {
            Description = "takeovers of each kind",
            DefaultValueFactory = _ => 50,
        };
        Command command = new("bench", "Measures the pair beside what bounds it.")
        {
            only, rounds, times,
        };
        command.SetAction((parsed, cancellation) => RunAsync(
            Output.Of(parsed),
            parsed.GetValue(only)!,
            parsed.GetValue(rounds),
            parsed.GetValue(times),
            cancellation));
        return command;
    }

    private static async Task<int> RunAsync(
        Output output, string[] only, int rounds, int times, CancellationToken cancellation)
    {
        BenchView view = new(output.Json);
        JsonObject results = [];
        foreach (string part in Parts.Where(only.Contains))
        {
            JsonObject result = part switch
            {
                "takeover" => await new TakeoverBench(view, times).RunAsync(cancellation),
                _ => [],
            };
            results[part] = result;
        }

        view.End();
        Output.Write(results);
        return ExitCode.Good;
    }
}
