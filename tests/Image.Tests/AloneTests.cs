using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Image.Tests;

/// <summary>
/// One guest without a node in it: a machine with a real verbs device, for the tests alone.
/// </summary>
[Trait("Category", "Slow")]
public sealed class AloneTests : IAsyncLifetime
{
    // Two nodes on one emulated machine would do nothing but beat at the usual rate.
    private const string Beat = "STORAGEOS__node__beatMs=40 ";
    private static readonly TimeSpan BootTimeMax = TimeSpan.FromMinutes(3);
    private readonly string folder = Directory.CreateTempSubdirectory("guest-").FullName;
    private PairLayout pair = null!;

    public async Task InitializeAsync()
    {
        CancellationToken never = CancellationToken.None;
        string overlay = ImageBuild.Overlay("overlay-alone");
        GuestSettings settings = await ImageCommand.SettingsAsync(
            "verbs", Size.MiB, DrillCommand.FreePorts(), never);
        settings = settings with { Overlay = overlay, Processors = 2 };
        pair = await GuestPair.MakeAsync(folder, settings, never);
        _ = await GuestProcess.StartAsync(pair, "a", never);
        string log = Path.Combine(folder, "a", "console.log");
        await Guests.UntilAsync(
            () => Task.FromResult(Shell("ls /sys/class/infiniband").Good),
            BootTimeMax, "a verbs device", () => Guests.Tail(File.ReadAllText(log)));
    }

    public Task DisposeAsync()
    {
        if (GuestProcess.Find(pair, "a") is { } pid)
        {
            NodeProcess.Kill(pid);
        }

        GuestProcess.EndForwarder(pair);
        Directory.Delete(folder, recursive: true);
        return Task.CompletedTask;
    }

    [Fact]
    public void Verbs_over_soft_RoCE_does_what_every_transport_must()
    {
        var (good, output) = Shell(
            "storageos transport check --transport verbs -o json 2>/run/check.txt");
        Assert.True(output.StartsWith('{'), output + Shell("cat /run/check.txt").Output);
        JsonNode result = JsonNode.Parse(output)!;
        JsonNode?[] failed = [.. result["cases"]!.AsArray()
            .Where(one => !one!["passed"]!.GetValue<bool>())];
        Assert.True(
            good && failed.Length == 0,
            string.Join('\n', failed.Select(one => one!.ToJsonString())));
        Assert.Equal(Conformance.TransportConformance.Cases.Count, result["cases"]!.AsArray().Count);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void One_configuration_runs_over_verbs_and_by_its_transports_name_alone_over_Loopback()
    {
        Good("ip address add 10.9.0.3/24 dev eth0");
        Good("mkdir -p /run/p; cd /run/p; " + Beat + "storageos pair --transport verbs "
            + "--address 10.9.0.1 10.9.0.3 --size 16M --dir /run/p/x --detach");
        Good("storageos stop --dir /run/p/x");
        Good("sed -i 's/\"name\": \"verbs\"/\"name\": \"loopback\"/' /run/p/x/?/config.json");
        Good(Beat + "storageos start --dir /run/p/x");
        string status = Good("for i in $(seq 60); do storageos status --dir /run/p/x -o json >/run/p/status"
            + " && break; sleep 1; done; cat /run/p/status"); // Good once both are in sync.
        foreach (JsonNode? node in JsonNode.Parse(status)!["nodes"]!.AsArray())
        {
            Assert.Equal("loopback", $"{node!["transport"]}");
            Assert.Equal("Ready", $"{node["session"]!["state"]}");
        }

        Good("storageos stop --dir /run/p/x");
    }

    private (bool Good, string Output) Shell(string line) =>
        new GuestShell(pair, "a").TryAsync(line, CancellationToken.None).GetAwaiter().GetResult();

    private string Good(string line)
    {
        var (good, output) = Shell(line);
        Assert.True(good, $"{line}: {output}");
        return output;
    }
}
