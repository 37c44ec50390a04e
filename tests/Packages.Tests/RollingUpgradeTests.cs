using System.Diagnostics;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Packages;
using StorageOs.Pair.Tests;
using Xunit.Abstractions;

namespace StorageOs.Packages.Tests;

/// <summary>Pairs on this machine, upgraded by one command while they are written to.</summary>
[Trait("Category", "Slow")]
public sealed class RollingUpgradeTests(ITestOutputHelper output)
{
    [Fact]
    public async Task One_command_upgrades_a_pair_under_load_to_a_tarball_and_back()
    {
        await using PairRun pair = new();
        pair.Start();
        SteadyWriter writer = new(pair.Port);
        using CancellationTokenSource stop = new();
        Task load = writer.RunAsync(stop.Token);
        Task<int> fewest = FewestAsync(pair, stop.Token);
        Upgrade(pair, Built.Second.Tarball);
        string folder = Path.Combine(pair.Folder, "releases", Built.Second.Folder);
        Assert.Equal([folder, folder], Releases(pair));
        Assert.Equal("a b", pair.Owners("a"));
        Assert.Equal(0, pair.Ask("status").Code);

        // Whoever starts it later starts what it was upgraded to; twice is no harm.
        Assert.Equal(0, pair.Ask("stop", "b").Code);
        Assert.Equal(0, pair.Ask("start", "b").Code);
        await pair.InSyncAsync();
        Assert.Equal([folder, folder], Releases(pair));
        Assert.Contains("a runs 9.0.0 already", Upgrade(pair, Built.Second.Tarball));
        Upgrade(pair, Path.Combine(PairRun.Root, "artifacts"));
        stop.Cancel();
        await load;
        Assert.Equal(1, await fewest);
        output.WriteLine(
            $"{writer.Answers} writes answered, longest pause {writer.LongestPause}");
        Assert.Empty(writer.Errors);
        Assert.True(writer.Answers > 100, $"{writer.Answers} answered");
        Assert.Empty(await writer.WrongAsync());
        Assert.Equal(0, pair.Ask("status").Code);
    }

    [Fact]
    public async Task One_that_does_not_come_up_is_put_back_and_the_pair_serves_on()
    {
        await using PairRun pair = new();
        pair.Start();
        string broken = Path.Combine(Path.GetDirectoryName(pair.Folder)!, "broken");
        MakeBroken(broken);
        SteadyWriter writer = new(pair.Port);
        using CancellationTokenSource stop = new();
        Task load = writer.RunAsync(stop.Token);
        string config = File.ReadAllText(PairLayout.At(pair.Folder).Config("a"));
        var (code, said, error) = pair.Ask("upgrade", "--to", broken);
        Assert.Equal(1, code);
        Assert.Contains("a did not come up with 0.9.9", said);
        Assert.Contains(
            "node a: expected to boot with 0.9.9, found nothing good comes of this;", error);
        Assert.Contains("again, and both serve", error);
        Assert.DoesNotContain("b is stopped", said);
        Assert.Equal(config, File.ReadAllText(PairLayout.At(pair.Folder).Config("a")));
        string own = Path.Combine(PairRun.Root, "artifacts");
        Assert.Equal([own, own], Releases(pair));
        await pair.InSyncAsync();
        stop.Cancel();
        await load;
        Assert.Empty(writer.Errors);
        Assert.Empty(await writer.WrongAsync());
    }

    [Fact]
    public async Task Cut_off_in_its_midst_it_leaves_two_nodes_and_goes_on_when_run_again()
    {
        await using PairRun pair = new();
        pair.Start();
        string log = Path.Combine(Path.GetDirectoryName(pair.Folder)!, "upgrade.txt");
        using Process upgrade = Process.Start("/bin/sh", [
            "-c", "exec \"$0\" upgrade --to \"$1\" --dir \"$2\" >\"$3\" 2>&1", PairRun.Kernel,
            Built.Second.Tarball, pair.Folder, log]);
        await PairRun.UntilAsync(
            () => File.Exists(log) && File.ReadAllText(log).Contains("a is stopped"), "a stops");
        var (code, said, error) = pair.Ask("upgrade", "--to", Built.Second.Tarball);
        Assert.True(code == 1, said + error);
        Assert.Contains("expected to be upgraded by nobody else", error);
        PairRun.Signal(upgrade.Id, "TERM");
        await upgrade.WaitForExitAsync();
        said = File.ReadAllText(log);
        Assert.Equal(1, upgrade.ExitCode);
        Assert.Contains("a node that is stopped is started again first", said);
        Assert.Contains("found a signal to end; both nodes run: once they are in sync", said);
        Assert.DoesNotContain("b is stopped", said);
        await pair.InSyncAsync();
        string folder = Path.Combine(pair.Folder, "releases", Built.Second.Folder);
        Assert.Equal([folder, Path.Combine(PairRun.Root, "artifacts")], Releases(pair));
        Assert.Contains("a runs 9.0.0 already", Upgrade(pair, Built.Second.Tarball));
        Assert.Equal([folder, folder], Releases(pair));
    }

    [Fact]
    public async Task Nothing_is_begun_with_a_pair_that_is_not_well_or_a_release_that_is_none()
    {
        await using PairRun pair = new();
        pair.Start();
        string own = Path.Combine(PairRun.Root, "artifacts");
        var (code, _, error) = pair.Ask("upgrade", "--to", pair.Folder);
        Assert.Equal(1, code);
        Assert.Contains("expected a folder with kernel/StorageOs.Kernel and plugins", error);

        await pair.KillAsync("b");
        (code, string said, error) = pair.Ask("upgrade", "--to", Built.Second.Tarball);
        Assert.Equal(1, code);
        Assert.Contains("expected both nodes well and in sync, found", error);
        Assert.DoesNotContain("takes its configuration", said);
        Assert.Equal(own, Release.OfProcess(pair.Pid("a")).Folder);
    }

    private static string Upgrade(PairRun pair, string to)
    {
        var (code, said, error) = pair.Ask("upgrade", "--to", to);
        Assert.True(code == 0, said + error);
        return said;
    }

    /// <summary>The fewest nodes of a pair that were seen at once.</summary>
    private static async Task<int> FewestAsync(PairRun pair, CancellationToken stop)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(20));
        int fewest = int.MaxValue;
        while (!stop.IsCancellationRequested)
        {
            fewest = Math.Min(fewest, Directory.EnumerateDirectories("/proc")
                .Count(process => IsNode(process, pair.Folder)));
            _ = await timer.WaitForNextTickAsync(CancellationToken.None);
        }

        return fewest;
    }

    private static bool IsNode(string process, string folder)
    {
        try
        {
            string[] words = File.ReadAllText(Path.Combine(process, "cmdline")).Split('\0');
            return words.Contains("boot")
                && words.Any(word => word.StartsWith(folder, StringComparison.Ordinal));
        }
        catch (Exception none) when (none is IOException or UnauthorizedAccessException)
        {
            return false; // It is no process, or ended while it was looked at.
        }
    }

    private static string[] Releases(PairRun pair) =>
        [.. PairLayout.Names.Select(name => Release.OfProcess(pair.Pid(name)).Folder)];

    /// <summary>A release that takes every configuration and boots with none.</summary>
    private static void MakeBroken(string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "kernel"));
        Directory.CreateDirectory(Path.Combine(folder, "plugins"));
        Directory.CreateDirectory(Path.Combine(folder, "bin"));
        File.WriteAllText(Path.Combine(folder, "kernel", "StorageOs.Kernel"), "");
        File.WriteAllText(Path.Combine(folder, "VERSION"), "0.9.9\n");
        string program = Path.Combine(folder, "bin", "storageos");
        File.WriteAllText(
            program, "#!/bin/sh\n[ \"$1\" != boot ] || { echo nothing good comes of this; exit 1; }\n");
        File.SetUnixFileMode(program, File.GetUnixFileMode(program) | UnixFileMode.UserExecute);
    }
}
