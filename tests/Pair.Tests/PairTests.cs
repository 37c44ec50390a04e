using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>What a user does with a pair, on real processes with stock clients.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class PairTests
{
    [Fact]
    public async Task A_pair_boots_and_says_everything_about_itself()
    {
        await using PairRun pair = new();
        pair.Start();
        JsonNode a = JsonNode.Parse(pair.Ask("status", "-o", "json").Out)!["nodes"]![0]!;
        Assert.Equal("a", $"{a["name"]}");
        Assert.Equal("Serving", $"{a["phase"]}");
        Assert.Equal("loopback", $"{a["transport"]}");
        Assert.Equal("process", $"{a["persistence"]}".ToLowerInvariant());
        Assert.Equal("Ready", $"{a["session"]!["state"]}");
        Assert.NotNull(a["session"]!["step"]);
        Assert.Contains("connected to", $"{a["session"]!["path"]}", StringComparison.Ordinal);
        Assert.NotNull(a["session"]!["id"]);
        Assert.All(a["clients"]!.AsArray(), c => Assert.Equal("Ready", $"{c!["state"]}"));
        await pair.InSyncAsync();
        JsonNode volume = pair.Volume("a");
        Assert.Equal(
            ("a", "InSync", pair.Uri),
            ($"{volume["owner"]}", $"{volume["sync"]}", $"{volume["uri"]}"));
        await PairRun.UntilAsync(
            () => pair.Node("b")["takeover"]!["possible"]!.GetValue<bool>(), "takeover possible");
        Assert.Equal(0, PairRun.Run("nbdinfo", pair.Uri).Code);
        foreach (string command in new[] { "status", "plugin list" })
        {
            string shown = pair.Ask(command.Split(' ')).Out;
            Assert.All(shown.Split('\n'), line => Assert.True(line.Length <= 80, line));
        }

        Assert.Contains("reachable", pair.Ask("status").Out);
    }

    [Fact]
    public async Task A_volume_moves_away_and_home_and_its_bytes_with_it()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        string file = pair.WriteBytes(8 << 20);
        foreach (string node in new[] { "b", "a" })
        {
            var (code, output, error) = pair.Ask("takeover", "--node", node, "--group", "0");
            Assert.True(code == 0, output + error);
            await PairRun.UntilAsync(() => $"{pair.Volume(node)["owner"]}" == node
                && pair.Volume(node)["served"]!.GetValue<bool>(), $"{node} serves");
            pair.Compare(file);
            await pair.InSyncAsync();
        }
    }

    [Fact]
    public async Task A_takeover_without_a_group_takes_all_and_a_giveback_moves_home_what_is_at_home_there()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        Assert.Equal(0, pair.Ask("takeover", "--node", "b").Code);
        await PairRun.UntilAsync(
            () => pair.Owners("a") == "b b" && pair.Owners("b") == "b b", "b has both");
        await pair.InSyncAsync();
        var (code, output, error) = pair.Ask("takeover", "--node", "a", "--group", "0");
        Assert.True(code == 0, output + error);
        Assert.Contains("a serves group 0 in term", output);
        await PairRun.UntilAsync(
            () => pair.Owners("a") == "a b" && pair.Owners("b") == "a b", "home, and no more");
        Assert.Contains("a serves group 0 already", pair.Ask(
            "takeover", "--node", "a", "--group", "0").Out);
        Assert.Equal(0, pair.Ask("takeover", "--node", "b").Code);
        await pair.InSyncAsync();
        Assert.Equal(0, pair.Ask("giveback").Code);
        await PairRun.UntilAsync(() => pair.Owners("a") == "a b", "home again");
    }

    [Fact]
    public async Task A_declared_stop_hands_over_and_a_start_brings_back()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        string file = pair.WriteBytes(8 << 20);
        Assert.Equal(0, pair.Ask("stop", "a").Code);
        Assert.Equal("Unreachable", $"{pair.Node("a")["phase"]}");
        await PairRun.UntilAsync(() => $"{pair.Volume("b")["state"]}" == "alone", "b serves alone");
        pair.Compare(file);
        Assert.Equal(0, pair.Ask("start", "a").Code);
        await pair.InSyncAsync();
        pair.Compare(file);
    }

    [Fact]
    public async Task A_second_process_on_the_same_data_is_refused_by_name()
    {
        await using PairRun pair = new();
        pair.Start();
        var (code, _, error) = PairRun.StorageOs(
            "boot", "--config", Path.Combine(pair.Folder, "a", "config.json"));
        Assert.Equal(1, code);
        Assert.Contains($"{pair.Pid("a")}", error);
    }

    [Fact]
    public async Task Another_pair_key_is_refused_and_said_in_status()
    {
        await using PairRun pair = new();
        pair.Start();
        Assert.Equal(0, pair.Ask("stop", "b").Code);
        string config = Path.Combine(pair.Folder, "b", "config.json");
        string key = Path.Combine(pair.Folder, "b", "other.key");
        File.WriteAllBytes(key, RandomNumberGenerator.GetBytes(32));
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllText(config, File.ReadAllText(config).Replace("../pair.key", "other.key"));
        pair.Boot("b");
        await PairRun.UntilAsync(
            () => $"{pair.Node("a")["session"]?["refusal"]}".Contains("pair key"), "the refusal");
    }

    [Fact]
    public async Task Garbage_at_the_block_export_and_the_management_socket_ends_nothing()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        for (int i = 0; i < 20; i++)
        {
            using TcpClient client = new("127.0.0.1", pair.Port);
            client.Client.Send(RandomNumberGenerator.GetBytes(5000));
            using Socket socket =
                new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(
                new UnixDomainSocketEndPoint(Path.Combine(pair.Folder, "a", "manage.sock")));
            socket.Send(RandomNumberGenerator.GetBytes(5000));
        }

        Assert.Equal(0, PairRun.Run("nbdinfo", pair.Uri).Code);
        Assert.Equal("Ready", $"{pair.Node("a")["session"]!["state"]}");
    }

    [Fact]
    public async Task A_transport_that_no_manifest_names_is_refused_with_those_there_are()
    {
        await using PairRun pair = new();
        var (code, _, error) = pair.Ask("pair", "--detach", "--transport", "pigeon");
        Assert.Equal(1, code);
        Assert.Contains("transport pigeon", error);
        Assert.Contains("found loopback", error);
    }
}
