using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Cli.Packages;

/// <summary>
/// <c>upgrade</c>: brings a running pair to another version, one node after the other.
/// </summary>
internal static class UpgradeCommand
{
    // A node that is stopped is started again first, and put back where that fails.
    private static readonly TimeSpan EndTimeMax = TimeSpan.FromMinutes(5);

    internal static Command Make()
    {
        Option<string> to = new("--to")
        {
            Description = "the other version: a tarball of storageos package, or a folder that"
                + " has kernel and plugins",
            Required = true,
        };
        Option<string?> directory = PairCommand.Directory();
        CommandWithEnd command = new(
            "upgrade", "Upgrades a running pair, one node after the other.", EndTimeMax)
        {
            to, directory,
        };
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
        using CancellationTokenRegistration told = cancellation.Register(() => output.Say(
            "               asked to end: a node that is stopped is started again first"));
        try
        {
            using FileStream alone = TakeLock(pair);
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
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return output.Fail(done, [new Refusal(
                "upgrade", "to go on to its end", "a signal to end",
                "both nodes run: once they are in sync run the same again; it goes on from here")]);
        }

        if (output.Json)
        {
            Output.Write(done);
        }

        return ExitCode.Good;
    }

    /// <summary>Two at once would stop a node each.</summary>
    private static FileStream TakeLock(PairLayout pair)
    {
        string path = Path.Combine(pair.Directory, "upgrade.lock");
        return StoreLock.TryOpen(path) ?? throw new RefusedException(new Refusal(
            $"pair in {pair.Directory}", "to be upgraded by nobody else",
            $"somebody who holds {path}", "wait for the other upgrade to end"));
    }

    private static bool IsTarball(string path) =>
        Path.GetFileName(path).Contains(".tar", StringComparison.Ordinal) && File.Exists(path);
}
