using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using StorageOs.Contracts.Services;
using StorageOs.Nbd.Host;

namespace StorageOs.Nbd.Tests;

/// <summary>
/// One node in this process, owner of a memory volume, in a directory of its own.
/// </summary>
internal sealed class Rig : IDisposable
{
    private readonly string directory = NewDirectory();

    /// <summary>Starts it.</summary>
    public Rig(long volumeBytes = 64 << 20)
    {
        Port = FreePort();
        Node = new("a", "b", Port, directory,
            new TestVolume("vol0", new GroupId(0), volumeBytes,
                volumeBytes > int.MaxValue ? Path("volume") : null), new LogTo(Log.Enqueue));
        Node.Own(true);
    }

    public ushort Port { get; }

    public TestNode Node { get; }

    public ConcurrentQueue<string> Log { get; } = new();

    public string Uri => $"nbd://127.0.0.1:{Port}/vol0";

    public string Path(string name) => System.IO.Path.Combine(directory, name);

    /// <summary>A path short enough for Unix sockets.</summary>
    public static string NewDirectory() =>
        Directory.CreateTempSubdirectory("nbd-test-").FullName;

    /// <summary>A port nobody listens on now.</summary>
    public static ushort FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return (ushort)((IPEndPoint)probe.LocalEndpoint).Port;
    }

    /// <summary>Waits until something holds; fails when it does not within ten seconds.</summary>
    public static async Task Until(Func<bool> condition, string what)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested, $"not within ten seconds: {what}");
            await timer.WaitForNextTickAsync();
        }
    }

    public void Dispose()
    {
        Node.Dispose();
        Directory.Delete(directory, recursive: true);
        Assert.Null(Node.Reactor.Failure);
    }
}
