using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Image.Tests;

/// <summary>Two guests that boot the image, and what happens to them.</summary>
[Trait("Category", "Slow")]
public sealed class GuestPairTests(Guests guests) : IClassFixture<Guests>, IDisposable
{
    private static readonly TimeSpan RestartTimeMax = TimeSpan.FromMinutes(4);

    private readonly string file = Path.GetTempFileName();

    public void Dispose() => File.Delete(file);

    [Fact]
    public void Claim10_20_21_the_session_comes_up_while_disks_are_not_mounted_and_nothing_is_loaded()
    {
        foreach (string name in PairLayout.Names)
        {
            string console = guests.Console(name);
            int connected = console.IndexOf("handshake: AwaitConfirmed", StringComparison.Ordinal);
            int loading = console.IndexOf("boot[boot-step] 2/4", StringComparison.Ordinal);
            Assert.True(connected >= 0, $"{name} never connected: {console}");
            Assert.True(loading > connected, $"{name} loaded plugins first: {console}");
        }

        double mounted = Uptime(guests.Shell("a", "dmesg | grep storageos:").Output, "disks are ready");
        double started = Uptime(guests.Shell("a", "dmesg | grep storageos:").Output, "starting the node");
        Assert.InRange(started, 0, mounted);
    }

    [Fact]
    public void Claim14_to_18_and_22_the_connection_is_to_the_preset_address_and_port_a_reliable_one()
    {
        // The higher system id listens at its preset port number, the lower connects to it.
        string listening = guests.Shell("b", "rdma resource show cm_id").Output;
        Assert.Matches(@"state LISTEN .*src-addr 10\.9\.0\.2:7471|src-addr 10\.9\.0\.2:7471 ",
            listening);
        string connected = guests.Shell("a", "rdma resource show cm_id").Output;
        Assert.Matches(
            @"state CONNECT .*src-addr 10\.9\.0\.1:\d+ dst-addr 10\.9\.0\.2:7471", connected);
        Assert.Matches("type RC state RTS", guests.Shell("a", "rdma resource show qp").Output);
    }

    [Fact]
    public async Task Claim19_a_killed_node_starts_again_and_first_reads_the_preset_address()
    {
        Assert.Contains("region 0 mapped at 5000000000", guests.Console("a"));
        Assert.Contains("\"memoryAddress\": \"0x5000000000\"",
            guests.Shell("b", "cat /state/config.json").Output);
        await guests.WellAsync();
        await using (await WireCapture.BeginAsync(guests.Pair, "a", file))
        {
            Assert.True(guests.Shell("b", "kill -9 $(pidof StorageOs.Kernel)").Good);
            await ServesAsync("b", "b serves again");
        }

        // b listens: what it sends after its reply to a's request is sent by its new queue pair.
        WireOperation first = WireCapture.Operations(file)
            .Where(one => one.From == GuestNetwork.Interconnect("b"))
            .SkipWhile(one => one.Opcode != WireOpcode.ConnectReply)
            .First(one => one.Opcode != WireOpcode.ConnectReply);
        Assert.Equal(WireOpcode.ReadRequest, first.Opcode);
        Assert.InRange(first.Address, 0x50_0000_0000UL, 0x50_0000_0FFFUL);
        await guests.WellAsync();
        Assert.Contains("the node ended with 137 and is started again",
            guests.Shell("b", "dmesg").Output);
    }

    [Fact]
    public void The_console_shows_node_address_session_and_volumes()
    {
        string console = guests.Console("a");
        Assert.Matches(
            $@"== a  {Guests.Transport} 10\.9\.0\.1  Serving  session with b: Ready", console);
        Assert.Contains("vol0: mirrored at a, InSync  nbd://10.0.9.100:10809/vol0", console);
    }

    [Fact]
    public void The_root_is_read_only_and_nobody_can_log_in()
    {
        Assert.False(guests.Shell("a", "touch /etc/x").Good);
        Assert.Matches(@"^root:\*:", guests.Shell("a", "cat /etc/passwd").Output);
        Assert.Equal("", guests.Shell("a", "pidof getty").Output);
    }

    [Fact]
    public async Task Logs_in_NVRAM_are_safe_from_a_loss_of_power_and_status_says_so()
    {
        JsonObject status = await guests.StatusAsync("a");
        Assert.Equal("power", $"{status["persistence"]}");
        Assert.Contains("/dev/dax", guests.Shell("a", "ls -l /run/nvram").Output);
    }

    [Fact]
    public Task An_owner_that_loses_power_in_mid_write_loses_nothing_and_returns() =>
        DrillAsync(Violence.Kill);

    [Theory]
    [Trait("Category", "Soak")]
    [InlineData(nameof(Violence.Reset))]
    [InlineData(nameof(Violence.Stop))]
    [InlineData(nameof(Violence.Cut))]
    public Task An_owner_lost_in_other_ways_loses_nothing_and_returns(string how) =>
        DrillAsync(Enum.Parse<Violence>(how));

    private async Task DrillAsync(Violence how)
    {
        await guests.WellAsync();
        const int Length = 12 * Size.MiB;
        await File.WriteAllBytesAsync(file, RandomNumberGenerator.GetBytes(Length));
        await using FileStream source = File.OpenRead(file);
        DrillPlan plan = new("owner", how, At: 50);
        JsonObject result = await DrillView.ShowAsync(Output.Quiet(), view => new DrillRun(
            guests.Pair, source, guests.Port, Guests.VolumeBytes, plan, view)
            .RunAsync(CancellationToken.None));
        string told = result.ToJsonString();
        Assert.Equal(0, result["lostBytes"]!.GetValue<long>());
        Assert.True(result["sha256Match"]!.GetValue<bool>(), told);
        Assert.True(result["steppedBack"]!.GetValue<bool>(), told);
        Assert.True(result["inSyncAgainMs"] is not null, told);
        Assert.Equal(Length, result["ackedBytes"]!.GetValue<long>());
    }

    [Fact]
    public async Task A_hung_kernel_process_is_seen_and_then_reset_by_the_watchdog()
    {
        await guests.WellAsync();
        string before = guests.Shell("b", "cat /proc/sys/kernel/random/boot_id").Output;
        Assert.True(guests.Shell("b", "kill -STOP $(pidof StorageOs.Kernel)").Good);

        // Who reads a still beat reads: the stopped process serves its memory all the same.
        await guests.UntilAsync(
            async () => (await guests.StatusAsync("a"))["partner"] is { } partner
                && $"{partner["lastEnd"]}".StartsWith("BeatStill", StringComparison.Ordinal)
                && $"{partner["condition"]}" == "Stuck",
            RestartTimeMax, "a sees that b's beat stands still");
        await ServesAsync("b", "b booted again");
        Assert.NotEqual(before, guests.Shell("b", "cat /proc/sys/kernel/random/boot_id").Output);
        await guests.WellAsync();
    }

    private Task ServesAsync(string name, string what) => guests.UntilAsync(
        async () => $"{(await guests.StatusAsync(name))["phase"]}" == "Serving",
        RestartTimeMax, what);

    // The time in brackets before a line of the kernel log.
    private static double Uptime(string log, string line)
    {
        Match found = Regex.Match(log, @"\[ *([0-9.]+)\] storageos: " + Regex.Escape(line));
        Assert.True(found.Success, $"no \"{line}\" in {log}");
        return double.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture);
    }
}
