using System.Net.Sockets;
using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli.Plugins;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Tests;

/// <summary>What a command makes of what a node answers: whether its twin may be changed, too.</summary>
public sealed class FollowingTests : IDisposable
{
    private const string Id = "acme.follows";
    private static readonly StoreEntry Wanted =
        StoreEntry.New(Id, DateTimeOffset.UnixEpoch).Install("1", DateTimeOffset.UnixEpoch);

    private readonly TestFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("active", "")]
    [InlineData("failed", "to run")]
    public async Task What_still_starts_is_waited_for(string becomes, string problem)
    {
        Task<Following> asks = AskAsync(TimeSpan.FromMinutes(1), Follows("starting"),
            Lists("starting"), Lists("starting"), Lists(becomes));
        Following following = await asks;
        Assert.Equal(becomes, following.Standing);
        Assert.Equal(problem, $"{following.ProblemOf(Wanted)?.Expected}");
    }

    [Fact]
    public async Task What_does_not_start_keeps_the_other_node_as_it_is()
    {
        Following following = await AskAsync(TimeSpan.Zero, Follows("starting"));
        Assert.Equal("to run", following.ProblemOf(Wanted)?.Expected);
    }

    [Fact]
    public async Task A_node_that_ends_over_the_change_keeps_the_other_as_it_is()
    {
        Following following = await AskAsync(TimeSpan.FromMinutes(1), "");
        Assert.Equal("no answer", following.Standing);
        Assert.NotNull(following.ProblemOf(Wanted));
        following = await AskAsync(TimeSpan.FromMinutes(1), Follows("starting"), "");
        Assert.NotNull(following.ProblemOf(Wanted));
    }

    [Fact]
    public async Task A_node_that_cannot_be_asked_follows_when_it_starts()
    {
        Following following = await Following.AskAsync(
            folder.File("nobody.sock"), Id, null, CancellationToken.None);
        Assert.NotNull(following.Waits);
        Assert.Null(following.ProblemOf(Wanted));
    }

    private static string Follows(string standing) => new JsonObject
    {
        ["ok"] = true,
        ["result"] = new JsonObject { ["waits"] = null, ["plugin"] = Plugin(standing) },
    }.ToJsonString();

    private static string Lists(string standing) => new JsonObject
    {
        ["ok"] = true,
        ["result"] = new JsonArray(Plugin("failed", "other"), Plugin(standing),
            Plugin("restart pending")),
    }.ToJsonString();

    private static JsonObject Plugin(string standing, string id = Id) =>
        new() { ["id"] = id, ["standing"] = standing, ["reason"] = "" };

    /// <summary>Asks a node that gives these answers in turn; an empty one hangs up.</summary>
    private async Task<Following> AskAsync(TimeSpan startTimeMax, params string[] answers)
    {
        string path = folder.File("node.sock");
        File.Delete(path);
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        Task serves = Task.Run(async () =>
        {
            foreach (string answer in answers)
            {
                using Socket connection = await listener.AcceptAsync();
                using NetworkStream stream = new(connection);
                using StreamReader reader = new(stream);
                Assert.NotNull(await reader.ReadLineAsync());
                await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(
                    answer.Length == 0 ? "" : answer + "\n"));
            }
        });
        Following following = await Following.AskAsync(
            path, Id, startTimeMax, CancellationToken.None);
        await serves.WaitAsync(StoreBench.Soon);
        return following;
    }
}
