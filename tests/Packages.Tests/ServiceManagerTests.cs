using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using StorageOs.Pair.Tests;

namespace StorageOs.Packages.Tests;

/// <summary>What a node tells whoever started it (sd_notify(3)).</summary>
[Trait("Category", "Slow")]
public sealed class ServiceManagerTests : IAsyncDisposable
{
    private readonly PairRun pair = new();

    public ValueTask DisposeAsync() => pair.DisposeAsync();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_says_that_it_is_up_goes_on_and_stops(bool isAbstract)
    {
        string name = isAbstract ? $"@storageos-{Guid.NewGuid()}"
            : Path.Combine(Path.GetDirectoryName(pair.Folder)!, "notify");
        using Socket socket = new(
            AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
        {
            ReceiveTimeout = 10_000,
        };
        socket.Bind(new UnixDomainSocketEndPoint(isAbstract ? '\0' + name[1..] : name));
        pair.Make();
        ProcessStartInfo start = new(
            PairRun.Kernel, ["boot", "--config", Path.Combine(pair.Folder, "a", "config.json")])
        {
            RedirectStandardOutput = true,
        };
        start.Environment["NOTIFY_SOCKET"] = name;
        start.Environment["WATCHDOG_USEC"] = "300000";
        using Process node = Process.Start(start)!;
        Task<string> log = node.StandardOutput.ReadToEndAsync();
        Assert.StartsWith("READY=1\n", Next(socket));
        Until(socket, "WATCHDOG=1");

        // Often enough, and not from when it stands still.
        long from = Stopwatch.GetTimestamp();
        for (int count = 0; count < 5; count++)
        {
            Until(socket, "WATCHDOG=1");
        }

        Assert.InRange(Stopwatch.GetElapsedTime(from).TotalMilliseconds, 300, 1500);
        PairRun.Signal(node.Id, "STOP");
        while (socket.Poll(TimeSpan.FromMilliseconds(500), SelectMode.SelectRead))
        {
            _ = Next(socket);
        }

        PairRun.Signal(node.Id, "CONT");
        Until(socket, "WATCHDOG=1");
        PairRun.Signal(node.Id, "TERM");
        Until(socket, "STOPPING=1\nWATCHDOG_USEC=90000000\nSTATUS=SIGTERM");
        await node.WaitForExitAsync();
        Assert.True(node.ExitCode == 0, await log);
    }

    [Fact]
    public async Task One_whom_nobody_hears_says_so_and_runs()
    {
        pair.Make();
        ProcessStartInfo start = new(
            PairRun.Kernel, ["boot", "--config", Path.Combine(pair.Folder, "a", "config.json")])
        {
            RedirectStandardOutput = true,
        };
        start.Environment["NOTIFY_SOCKET"] = Path.Combine(pair.Folder, "nobody");
        using Process node = Process.Start(start)!;
        Task<string> log = node.StandardOutput.ReadToEndAsync();
        await PairRun.UntilAsync(() => $"{pair.Node("a")["phase"]}" != "Unreachable", "it answers");
        PairRun.Signal(node.Id, "TERM");
        await node.WaitForExitAsync();
        Assert.Contains("expected a service manager at", await log);
    }

    private static void Until(Socket socket, string what)
    {
        while (Next(socket) != what)
        {
            // What else it says is not asked for here.
        }
    }

    private static string Next(Socket socket)
    {
        byte[] bytes = new byte[4096];
        return Encoding.UTF8.GetString(bytes.AsSpan(0, socket.Receive(bytes)));
    }
}
