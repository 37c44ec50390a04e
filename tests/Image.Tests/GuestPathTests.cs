using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Image.Tests;

/// <summary>Two guests with two networks between them, each with a verbs device.</summary>
[Trait("Category", "Slow")]
public sealed class GuestPathTests(Guests guests) : IClassFixture<Guests>
{
    private static readonly TimeSpan RestartTimeMax = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task A_session_forms_again_by_the_other_path_when_the_one_in_use_is_cut()
    {
        foreach (string name in PairLayout.Names)
        {
            GiveSecondPath(name);
        }

        await guests.WellAsync();

        // Nodes that boot apart try one path after the other, and meet on either.
        bool first = (await PathAsync()).Contains(
            $">{GuestNetwork.Interconnect("b")} ", StringComparison.Ordinal);
        string other = first ? GuestNetwork.Lan("b") : GuestNetwork.Interconnect("b");
        string used = first ? "interconnect" : "lan";
        await EachLinkAsync(used, up: false);
        await guests.UntilAsync(
            () => Task.FromResult(Regex.IsMatch(
                guests.Shell("a", "rdma resource show cm_id").Output,
                $"state CONNECT .*dst-addr {Regex.Escape(other)}:7471")),
            RestartTimeMax, $"a is connected to {other}");
        await EachLinkAsync(used, up: true);
        await guests.WellAsync();
        Assert.Contains($">{other} ", await PathAsync(), StringComparison.Ordinal);
    }

    private void GiveSecondPath(string name)
    {
        string other = PairLayout.Other(name);
        string paths = $"{GuestNetwork.Interconnect(name)}>{GuestNetwork.Interconnect(other)},"
            + $"{GuestNetwork.Lan(name)}>{GuestNetwork.Lan(other)}";
        var (good, output) = guests.Shell(
            name, "rdma link add rxe1 type rxe netdev eth1 && "
                + $"sed -i 's/\"verbs.persistent\"/\"verbs.paths\": \"{paths}\", &/' "
                + "/state/config.json && kill -9 $(pidof StorageOs.Kernel)");
        Assert.True(good, $"{name}: {output}");
    }

    private async Task EachLinkAsync(string device, bool up)
    {
        foreach (string name in PairLayout.Names)
        {
            await GuestMonitor.RunAsync(
                guests.Pair, name, "set_link",
                new JsonObject { ["name"] = device, ["up"] = up }, CancellationToken.None);
        }
    }

    private async Task<string> PathAsync() =>
        $"{(await guests.StatusAsync("a"))["session"]?["path"]}";
}
