using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;

namespace StorageOs.Kernel.Tests;

/// <summary>What a rehearsal makes of a node that does not say how it stands.</summary>
public sealed class TakeoverCheckTests
{
    private static readonly Refusal Why = new("takeover", "a group", "none", "name one");

    [Fact]
    public async Task A_node_that_is_not_there_is_unreachable()
    {
        using TestFolder folder = new();
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(
            () => NodeClient.AskAsync(
                folder.File("none.sock"), "takeover", null, TimeSpan.FromSeconds(5), default));
        Assert.Equal("nodeUnreachable", CodeOf(refused));
    }

    [Fact]
    public void So_is_one_that_ends_the_connection_or_lets_time_pass()
    {
        Assert.Equal("nodeUnreachable", CodeOf(new RefusedException(Why, new IOException())));
        Assert.Equal("nodeUnreachable", CodeOf(new RefusedException(Why, new SocketException())));
        Assert.Equal(
            "nodeUnreachable", CodeOf(new RefusedException(Why, new TaskCanceledException())));
    }

    [Fact]
    public void Any_other_refusal_is_what_it_is()
    {
        Assert.Equal("refused", CodeOf(new RefusedException(Why)));
        Assert.Equal("refused", CodeOf(new RefusedException(Why, new JsonException())));
        JsonNode hindrance = Hindrance(new RefusedException(Why));
        Assert.Equal("takeover: expected a group, found none", $"{hindrance["what"]}");
        Assert.Equal("name one", $"{hindrance["remedy"]}");
    }

    private static string CodeOf(RefusedException refused) => $"{Hindrance(refused)["code"]}";

    private static JsonNode Hindrance(RefusedException refused) =>
        TakeoverCheck.Hindered(0, refused)["hindrances"]![0]!;
}
