using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace StorageOs.Witness.Tests;

/// <summary>What members are started with beside the usual.</summary>
/// <param name="Scheme">How clients reach them.</param>
/// <param name="Arguments">Further arguments of each.</param>
public sealed record EtcdOptions(string Scheme, params string[] Arguments)
{
    /// <summary>Without TLS and without users.</summary>
    public static EtcdOptions Plain { get; } = new("http");
}

/// <summary>
/// A real cluster of etcd on free ports of this machine, in memory where there is room. What tests
/// look up behind the witness's back goes by etcd's own JSON interface.
/// </summary>
public sealed class EtcdCluster : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(5) };
    private readonly string folder;
    private readonly Process?[] members;
    private readonly int[] ports;
    private readonly int[] peers;
    private readonly EtcdOptions options;

    private EtcdCluster(int count, EtcdOptions options)
    {
        this.options = options;
        string memory = "/dev/shm";
        string place = Directory.Exists(memory) ? memory : Path.GetTempPath();
        folder = Path.Combine(place, $"etcd-test-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        members = new Process?[count];
        int[] free = FreePorts(2 * count);
        ports = free[..count];
        peers = free[count..];
    }

    /// <summary>Addresses for clients.</summary>
    public IReadOnlyList<string> Addresses =>
        [.. ports.Select(port => $"{options.Scheme}://127.0.0.1:{port}")];

    /// <summary>Ports for clients.</summary>
    public IReadOnlyList<int> Ports => ports;

    /// <summary>How many members there are.</summary>
    public int Count => members.Length;

    /// <summary>Starts members, and waits for a leader unless they hide behind TLS.</summary>
    public static async Task<EtcdCluster> StartAsync(int count, EtcdOptions? options = null)
    {
        EtcdCluster cluster = new(count, options ?? EtcdOptions.Plain);
        try
        {
            for (int index = 0; index < count; index++)
            {
                cluster.Start(index);
            }

            if (cluster.options.Scheme == "http")
            {
                _ = await cluster.LeaderAsync();
            }

            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a member, or starts it again with what it has on its disk.</summary>
    public void Start(int index)
    {
        string own = $"http://127.0.0.1:{peers[index]}";
        string client = $"{options.Scheme}://127.0.0.1:{ports[index]}";
        string all = string.Join(
            ',', peers.Select((port, i) => $"member{i}=http://127.0.0.1:{port}"));
        string[] arguments =
        [
            "--name", $"member{index}", "--data-dir", Path.Combine(folder, $"member{index}"),
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", own, "--initial-advertise-peer-urls", own,
            "--initial-cluster", all, "--initial-cluster-state", "new",
            "--initial-cluster-token", Path.GetFileName(folder),
            "--heartbeat-interval", "100", "--election-timeout", "1000",
            "--logger", "zap", "--log-level", "error",
            .. options.Arguments,
        ];
        string log = Path.Combine(folder, $"member{index}.log");
        members[index] = Process.Start(
            "/bin/sh", ["-c", "log=$1; shift; exec etcd \"$@\" >>\"$log\" 2>&1 </dev/null",
            "sh", log, .. arguments]);
    }

    /// <summary>Sends a signal to a member.</summary>
    public void Signal(int index, string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", $"{members[index]!.Id}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    /// <summary>Ends a member as a power loss does.</summary>
    public void Kill(int index)
    {
        members[index]!.Kill();
        members[index]!.WaitForExit();
    }

    /// <summary>Ends a member, and it has nothing when it starts again.</summary>
    public void Wipe(int index)
    {
        Kill(index);
        Directory.Delete(Path.Combine(folder, $"member{index}"), recursive: true);
    }

    /// <summary>The member that leads, once one does and says so itself.</summary>
    public async Task<int> LeaderAsync()
    {
        for (long from = Stopwatch.GetTimestamp(); ;)
        {
            for (int index = 0; index < Count; index++)
            {
                if (await TryAskAsync(index, "maintenance/status", []) is { } status
                    && $"{status["leader"]}" is { Length: > 0 } leader
                    && leader == $"{status["header"]?["member_id"]}")
                {
                    return index;
                }
            }

            Assert.True(
                Stopwatch.GetElapsedTime(from) < Patience, $"no leader in time; {Logs()}");
            await Task.Delay(50);
        }
    }

    /// <summary>Asks a member by its JSON interface.</summary>
    public async Task<JsonObject> AskAsync(
        int index, string what, JsonObject body, string? token = null)
    {
        using HttpRequestMessage request = new(
            HttpMethod.Post, new Uri($"{Addresses[index]}/v3/{what}"))
        {
            Content = JsonContent.Create(body),
        };
        if (token is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", token);
        }

        using HttpResponseMessage reply = await Http.SendAsync(request);
        string text = await reply.Content.ReadAsStringAsync();
        Assert.True(reply.IsSuccessStatusCode, $"{what}: {text}");
        return JsonNode.Parse(text)!.AsObject();
    }

    /// <summary>Puts a value, whatever was there.</summary>
    public Task PutAsync(string key, byte[] value) => AskAsync(0, "kv/put", new JsonObject
    {
        ["key"] = Base64(key),
        ["value"] = Convert.ToBase64String(value),
    });

    /// <summary>Removes a key.</summary>
    public Task DeleteAsync(string key) =>
        AskAsync(0, "kv/deleterange", new JsonObject { ["key"] = Base64(key) });

    /// <summary>
    /// Every value that a key ever had, in order: etcd keeps them, so this is what happened,
    /// whatever anybody was told.
    /// </summary>
    public async Task<IReadOnlyList<byte[]>> HistoryAsync(string key)
    {
        List<byte[]> values = [];
        for (long revision = long.MaxValue; revision > 1;)
        {
            JsonObject body = new() { ["key"] = Base64(key) };
            if (revision != long.MaxValue)
            {
                body["revision"] = revision - 1;
            }

            JsonObject reply = await AskAsync(0, "kv/range", body);
            if (reply["kvs"] is not JsonArray { Count: 1 } found)
            {
                break;
            }

            values.Insert(0, Convert.FromBase64String($"{found[0]!["value"]}"));
            revision = long.Parse(
                $"{found[0]!["mod_revision"]}", CultureInfo.InvariantCulture);
        }

        return values;
    }

    /// <summary>How many calls of a method all members have begun to serve.</summary>
    public async Task<int> CallsAsync(string method)
    {
        int sum = 0;
        for (int index = 0; index < Count; index++)
        {
            string text = await Http.GetStringAsync(new Uri($"{Addresses[index]}/metrics"));
            string? line = text.Split('\n').FirstOrDefault(line =>
                line.StartsWith("grpc_server_started_total", StringComparison.Ordinal)
                && line.Contains($"grpc_method=\"{method}\"", StringComparison.Ordinal));
            sum += line is null
                ? 0 : (int)double.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture);
        }

        return sum;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (Process member in members.OfType<Process>())
        {
            member.Kill();
            await member.WaitForExitAsync();
            member.Dispose();
        }

        Directory.Delete(folder, recursive: true);
    }

    private static string Base64(string text) =>
        Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private static int[] FreePorts(int count)
    {
        TcpListener[] listeners =
            [.. Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        Array.ForEach(listeners, static listener => listener.Start());
        int[] free = [.. listeners.Select(static l => ((IPEndPoint)l.LocalEndpoint).Port)];
        Array.ForEach(listeners, static listener => listener.Dispose());
        return free;
    }

    private async Task<JsonObject?> TryAskAsync(int index, string what, JsonObject body)
    {
        if (members[index] is not { HasExited: false })
        {
            return null;
        }

        try
        {
            return await AskAsync(index, what, body);
        }
        catch (Exception failure) when (failure is HttpRequestException or TaskCanceledException)
        {
            return null;
        }
    }

    private string Logs() => string.Join('\n', Directory.GetFiles(folder, "*.log")
        .Select(file => string.Join('\n', System.IO.File.ReadLines(file).TakeLast(3))));
}
