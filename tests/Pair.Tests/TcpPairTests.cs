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
        Assert.Equal(0, PairRun.Run("kill", "-9", $"{pair.Pid("a")}").Code);
        pair.Compare(file);
        Assert.Equal("b", $"{pair.Volume("b")["owner"]}");
        Assert.Equal(0, pair.Ask("start", "a").Code);
        await pair.InSyncAsync();
        pair.Compare(file);
        Assert.Equal(0, pair.Ask("takeover").Code);
        pair.Compare(file);
    }
}
