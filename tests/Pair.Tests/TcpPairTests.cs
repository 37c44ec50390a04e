using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>A pair over TCP, as one on two machines without RDMA has it.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class TcpPairTests
{
    [Fact]
    public async Task A_pair_over_tcp_says_so_and_loses_nothing_when_its_owner_is_killed()
    {
        await using PairRun pair = new();
        pair.Start("--transport", "tcp");
        await pair.InSyncAsync();
        JsonObject a = pair.Node("a");
        Assert.Equal("tcp", $"{a["transport"]}");
        Assert.Equal("tcp", $"{a["transportTraits"]!["name"]}");
        Assert.False(a["transportTraits"]!["oneSided"]!.GetValue<bool>());
        Assert.Contains(
            "tcp: the partner's process takes part", pair.Ask("status").Out,
            StringComparison.Ordinal);
        string file = pair.WriteBytes(16 << 20);
        await pair.KillAsync("a");
        await PairRun.UntilAsync(
            () => pair.Volume("b")["served"]?.GetValue<bool>() == true, "b serves");
        pair.Compare(file);
        Assert.Equal("b", $"{pair.Volume("b")["owner"]}");
        Assert.Equal(0, pair.Ask("start", "a").Code);
        await pair.InSyncAsync();
        pair.Compare(file);
        Assert.Equal(0, pair.Ask("giveback").Code);
        pair.Compare(file);
    }

    [Fact]
    public async Task A_pair_over_tls_is_ready_and_refuses_a_node_with_another_key_file()
    {
        await using PairRun pair = new();
        pair.Start("--transport", "tcp");
        Assert.Equal(0, pair.Ask("stop").Code);
        string key = Path.Combine(pair.Folder, "pair.key");
        string other = Path.Combine(pair.Folder, "other.key");
        File.WriteAllBytes(other, new byte[32]);
        File.SetUnixFileMode(other, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        SetTls("a", key);
        SetTls("b", other);
        pair.Boot("a");
        pair.Boot("b");
        await PairRun.UntilAsync(
            () => $"{pair.Node("a")["session"]?["reason"]}".Contains(
                "a certificate of another key", StringComparison.Ordinal),
            "a says why it does not connect");
        Assert.NotEqual("Ready", pair.Session("a"));
        Assert.Equal(0, pair.Ask("stop").Code);
        SetTls("b", key);
        Assert.Equal(0, pair.Ask("start").Code);
        await pair.InSyncAsync();
        pair.Compare(pair.WriteBytes(8 << 20));

        void SetTls(string node, string keyFile) => pair.Configure(
            node, settings => settings["transport"]!["options"] = new JsonObject
            {
                ["tls"] = "pair-key",
                ["keyFile"] = keyFile,
            });
    }
}
