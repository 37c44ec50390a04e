using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace StorageOs.Sdk.Tests;

/// <summary>
/// The sample of keys and values on both nodes, built from packages alone, installed into a pair
/// that runs, and killed there, its nodes and its own processes: nothing acknowledged is lost.
/// </summary>
[Trait("Category", "Slow")]
[Collection(nameof(Workshop))]
public sealed class KeyValueTests(Workshop workshop)
{
    private const string Id = "sample.keyvalue";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly Dictionary<string, string> acknowledged = [];

    [Fact]
    public void Its_client_does_what_every_client_does_and_loses_nothing_in_virtual_time()
    {
        string said = workshop.Dotnet(
            "test", Path.Combine(Sample.Build(workshop, "KeyValue"), "KeyValue.Tests"),
            "--no-build", "--nologo");
        Assert.Contains("Passed!", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_acknowledged_is_lost_whatever_is_killed()
    {
        string project = Path.Combine(Sample.Build(workshop, "KeyValue"), "KeyValue");
        _ = workshop.Dotnet(
            "build", project, "-t:PackPlugin", "--nologo",
            $"-p:StorageOsVersion={workshop.Version}");
        string bundle = Path.Combine(project, "bin/sample.keyvalue.1.0.0.sosplugin");
        using Operator pair = new();
        pair.Trust("acme");
        pair.Sign("acme", bundle);
        pair.Configure(Id, "withoutPartner", "alone");
        pair.Do("plugin", "install", bundle);

        // Node a takes writes, and b has them.
        Until(pair, "a", "takes_writes:1");
        Set(pair, "a", 20);
        Assert.StartsWith("-READONLY a takes writes", Ask(pair, "b", "SET", "key", "value"));
        ExpectAll(pair, "a");
        ExpectAll(pair, "b");

        // The process of its own is killed in the middle of writes; the node goes on.
        string session = pair.Session();
        WriteUntilKilled(pair, "a", () => Signal(Process(pair, "a")));
        Until(pair, "a", "takes_writes:1");
        Assert.Equal(session, pair.Session());
        ExpectAll(pair, "a");

        // The node is killed in the middle of writes; the other goes on alone.
        WriteUntilKilled(pair, "a", () => pair.Do("stop", "a", "--kill"));
        Until(pair, "b", "takes_writes:1");
        ExpectAll(pair, "b");
        Set(pair, "b", 5);
        pair.Do("start", "a");
        Until(pair, "a", "takes_writes:1");
        ExpectAll(pair, "a");

        // Both are killed, and lose their memory: what was saved is there.
        Set(pair, "a", 5);
        Thread.Sleep(TimeSpan.FromSeconds(3)); // Three times what saveSeconds is.
        pair.Do("stop", "--kill");
        foreach (string node in new[] { "a", "b" })
        {
            string[] files = Directory.GetFiles(pair.MemoryOf(node), "sample-keyvalue*");
            Assert.NotEmpty(files);
            Array.ForEach(files, File.Delete);
        }

        pair.Do("start");
        Until(pair, "a", "takes_writes:1");
        ExpectAll(pair, "a");
        ExpectAll(pair, "b");
    }

    private static int Process(Operator pair, string node) => int.Parse(
        Ask(pair, node, "INFO").Split("process_id:")[1].Split("\r\n")[0],
        CultureInfo.InvariantCulture);

    private static void Signal(int process)
    {
        using Process target = System.Diagnostics.Process.GetProcessById(process);
        target.Kill();
        Assert.True(target.WaitForExit(Patience));
    }

    private static void Until(Operator pair, string node, string line)
    {
        string said = "";
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    Thread.Sleep(20);
                    said = TryAsk(pair, node, "INFO") ?? "nobody answers";
                    return said.Contains(line, StringComparison.Ordinal);
                },
                Patience),
            said);
    }

    private void Set(Operator pair, string node, int count)
    {
        for (int write = 0; write < count; write++)
        {
            string key = $"key {acknowledged.Count}";
            Assert.Equal("+OK\r\n", Ask(pair, node, "SET", key, $"value of {key}"));
            acknowledged[key] = $"value of {key}";
        }
    }

    private void WriteUntilKilled(Operator pair, string node, Action kill)
    {
        int before = acknowledged.Count;
        using CancellationTokenSource killed = new();
        Task writing = Task.Run(() =>
        {
            for (int write = 0; !killed.IsCancellationRequested; write++)
            {
                string key = $"key {before} {write}";
                if (TryAsk(pair, node, "SET", key, $"value of {key}") == "+OK\r\n")
                {
                    lock (acknowledged)
                    {
                        acknowledged[key] = $"value of {key}";
                    }
                }
            }
        });
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                lock (acknowledged)
                {
                    return acknowledged.Count > before + 50;
                }
            },
            Patience));
        kill();
        killed.Cancel();
        writing.GetAwaiter().GetResult();
    }

    private void ExpectAll(Operator pair, string node)
    {
        foreach ((string key, string value) in acknowledged)
        {
            Assert.Equal($"${value.Length}\r\n{value}\r\n", Ask(pair, node, "GET", key));
        }
    }

    private static string? TryAsk(Operator pair, string node, params string[] words)
    {
        try
        {
            return Ask(pair, node, words);
        }
        catch (Exception away) when (away is SocketException or IOException)
        {
            return null;
        }
    }

    /// <summary>Asks as any client does that speaks RESP; the first answer as it is.</summary>
    private static string Ask(Operator pair, string node, params string[] words)
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = (int)Patience.TotalMilliseconds,
        };
        socket.Connect(new UnixDomainSocketEndPoint(
            Path.Combine(pair.DataOf(node), "keyvalue.sock")));
        string command = $"*{words.Length}\r\n" + string.Concat(
            words.Select(static word => $"${word.Length}\r\n{word}\r\n"));
        _ = socket.Send(Encoding.ASCII.GetBytes(command));
        byte[] answer = new byte[4096];
        int count = socket.Receive(answer);
        return count > 0 ? Encoding.ASCII.GetString(answer, 0, count) : throw new IOException(
            "the connection has ended");
    }
}
