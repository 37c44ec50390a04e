using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Packages;

/// <summary>
/// <c>upgrade</c>: brings a running pair to another version, one node after the other.
/// </summary>
internal static class UpgradeCommand
{
    internal static Command Make()
    {
        Option<string> to = new("--to")
        {
            Description = "the other version: a tarball of storageos package, or a folder that"
                + " has kernel and plugins",
            Required = true,
        };
        Option<string?> directory = PairCommand.Directory();
        Command command = new(
            "upgrade", "Upgrades a running pair, one node after the other.") { to, directory };
        command.SetAction((parsed, cancellation) => RunAsync(
            Output.Of(parsed), PairLayout.At(parsed.GetValue(directory)),
            Path.GetFullPath(parsed.GetValue(to)!), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(
        Output output, PairLayout pair, string to, CancellationToken cancellation)
    {
        pair.Require();
        if (pair.Guests is not null)
        {
            return output.Fail(new Refusal(
                $"pair in {pair.Directory}", "one of processes", "a pair of guests",
                "image build, then restart one guest after the other"));
        }

        long begin = Stopwatch.GetTimestamp();
        JsonArray steps = [];
        void Say(string? node, string what)
        {
            double ms = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
            output.Say(string.Create(CultureInfo.InvariantCulture, $"{ms,10:F1} ms  {what}"));
            steps.Add(new JsonObject { ["ms"] = ms, ["node"] = node, ["what"] = what });
        }

        JsonObject done = new() { ["ok"] = true, ["steps"] = steps };
        try
        {
            Release target = Directory.Exists(to) || !IsTarball(to)
                ? Release.At(to)
                : await Release.UnpackAsync(
                    to, Path.Combine(pair.Directory, "releases"), cancellation);
            done.Insert(0, "version", target.Version);
            Say(null, $"{target.Version} is in {target.Folder}");
            await new RollingUpgrade(pair, target, Say).RunAsync(cancellation);
        }
        catch (Exception failure) when (CommandFailure.Of(failure) is { } refusal)
        {
            return output.Fail(done, [refusal]);
        }

        if (output.Json)
        {
            Output.Write(done);
        }

        return ExitCode.Good;
    }

    private static bool IsTarball(string path) =>
        Path.GetFileName(path).Contains(".tar", StringComparison.Ordinal) && File.Exists(path);
}
