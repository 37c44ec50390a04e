using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Management;

namespace StorageOs.Kernel.Tests;

public sealed class ManagementTests : IAsyncDisposable
{
    private readonly TestFolder folder = new();
    private readonly ManagementServer server;

    // No request of these tests comes as far as a node.
    public ManagementTests() => server = ManagementServer.Start(
        folder.File("m.sock"), new ManagementCommands(null!), NullLogger.Instance);

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        folder.Dispose();
    }

    [Theory]
    [InlineData("rubbish", "one line of JSON")]
    [InlineData("", "one line of JSON")]
    [InlineData("[1,2]", "a JSON object")]
    [InlineData("{}", "\"command\"")]
    [InlineData("""{"command":5}""", "\"command\"")]
    [InlineData("""{"command":"status","arguments":3}""", "\"arguments\"")]
    public async Task Bad_input_is_refused_and_the_connection_goes_on(string line, string expected)
    {
        using NetworkStream stream = Connect();
        for (int round = 0; round < 2; round++)
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"));
            LineReader reader = new(stream, Limits.ManagementReplyBytesMax);
            ReadOnlyMemory<byte>? reply = await reader.ReadAsync(default);
            JsonNode answer = JsonNode.Parse(reply!.Value.Span)!;
            Assert.False(answer["ok"]!.GetValue<bool>());
            Assert.Contains(expected, $"{answer["refusal"]!["expected"]}");
        }
    }

    [Fact]
    [Raises("management-refused")]
    public async Task A_line_over_the_limit_ends_its_connection_and_no_other()
    {
        using NetworkStream other = Connect();
        using NetworkStream stream = Connect();
        byte[] endless = new byte[Limits.ManagementRequestBytesMax];
        Array.Fill(endless, (byte)'x');
        await stream.WriteAsync(endless);
        Assert.Null(await ReadOrEndAsync(stream));
        await other.WriteAsync("{}\n"u8.ToArray());
        Assert.NotNull(await ReadOrEndAsync(other));
    }

    [Fact]
    public void The_socket_is_its_owners_alone() => Assert.Equal(
        UnixFileMode.UserRead | UnixFileMode.UserWrite,
        File.GetUnixFileMode(folder.File("m.sock")));

    [Fact]
    public void A_file_that_the_configuration_names_by_mistake_is_not_deleted()
    {
        string path = folder.File("vol0.img");
        File.WriteAllText(path, "a volume");
        RefusedException refused = Assert.Throws<RefusedException>(() => ManagementServer.Start(
            path, new ManagementCommands(null!), NullLogger.Instance));
        Assert.Contains("management:socket", refused.Refusal.Remedy, StringComparison.Ordinal);
        Assert.Equal("a volume", File.ReadAllText(path));
    }

    [Fact]
    public void A_file_that_is_locked_is_not_taken_for_a_socket()
    {
        string path = folder.File("lock");
        using FileStream held = new(path, FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        _ = Assert.Throws<RefusedException>(() => ManagementServer.Start(
            path, new ManagementCommands(null!), NullLogger.Instance));
        Assert.True(File.Exists(path));
    }

    [Fact]
    public async Task The_socket_of_a_node_that_was_killed_is_in_nobodys_way()
    {
        string path = folder.File("left.sock");
        using (Socket left = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            left.Bind(new UnixDomainSocketEndPoint(folder.File("first.sock")));
            File.Move(folder.File("first.sock"), path); // Its end would take it away.
        }

        Assert.True(Path.Exists(path));
        await using ManagementServer next = ManagementServer.Start(
            path, new ManagementCommands(null!), NullLogger.Instance);
    }

    private static async Task<string?> ReadOrEndAsync(NetworkStream stream)
    {
        try
        {
            LineReader reader = new(stream, Limits.ManagementReplyBytesMax);
            return await reader.ReadAsync(default) is { } line
                ? Encoding.UTF8.GetString(line.Span) : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private NetworkStream Connect()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(folder.File("m.sock")));
        return new NetworkStream(socket, ownsSocket: true);
    }
}
