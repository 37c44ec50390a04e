using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace StorageOs.Sdk.Tests;

/// <summary>
/// The sample that keeps objects in a mirrored volume, built from packages alone, on a pair of
/// processes: while clients put objects its node is killed, and comes back. What was acknowledged
/// is there each time, byte by byte.
/// </summary>
[Trait("Category", "Slow")]
[Collection(nameof(Workshop))]
public sealed class ObjectGatewayTests(Workshop workshop)
{
    private const string Id = "sample.objectgateway";
    private const int Writers = 4;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public void Its_store_keeps_what_it_acknowledged_in_whatever_crash()
    {
        string said = workshop.Dotnet(
            "test", Path.Combine(Sample.Build(workshop, "ObjectGateway"), "ObjectGateway.Tests"),
            "--no-build", "--nologo");
        Assert.Contains("Passed!", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Acknowledged_objects_survive_their_node_and_follow_the_volume()
    {
        string plugin = Path.Combine(
            Sample.Build(workshop, "ObjectGateway"), "ObjectGateway/bin/plugin");
        using Operator pair = new(plugin, (Id, "format", "true"));
        using Clients clients = new(pair);
        pair.Insist("giveback"); // The stop has moved it.
        clients.UntilServed("a");
        (HttpStatusCode status, string said) = clients.Get("b", "/bucket/key");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Equal("a", $"{JsonNode.Parse(said)!["partner"]}");

        // Killed in the middle of writes; the partner goes on with all that was acknowledged.
        using (Writing writing = new(clients))
        {
            writing.UntilMore(200);
            pair.Do("stop", "a", "--kill");
            writing.UntilMore(200);
        }

        clients.ExpectAll("b");
        pair.Do("start", "a");
        using (Writing writing = new(clients))
        {
            writing.UntilMore(100);
            pair.Insist("giveback");
            clients.UntilServed("a");
            writing.UntilMore(100);
        }

        clients.ExpectAll("a");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, clients.Get("b", "/bucket/key").Status);
    }

    /// <summary>Clients of both nodes, and what was acknowledged to them.</summary>
    private sealed class Clients(Operator pair) : IDisposable
    {
        private readonly Dictionary<string, HttpClient> nodes = new()
        {
            ["a"] = Connect(Path.Combine(pair.DataOf("a"), "objects.sock")),
            ["b"] = Connect(Path.Combine(pair.DataOf("b"), "objects.sock")),
        };

        private readonly Dictionary<string, byte[]> acknowledged = [];
        private readonly List<(string Key, byte[] Body)> earlier = [];
        private int count;

        public int Count => Volatile.Read(ref count);

        public void UntilServed(string node) => Until(
            () => Get(node, "/bucket").Status == HttpStatusCode.OK,
            () => $"{node} does not serve: {Get(node, "/bucket").Said}");

        public (HttpStatusCode Status, string Said) Get(string node, string target)
        {
            try
            {
                using HttpResponseMessage answer =
                    nodes[node].GetAsync(target).GetAwaiter().GetResult();
                return (
                    answer.StatusCode, answer.Content.ReadAsStringAsync().GetAwaiter().GetResult());
            }
            catch (HttpRequestException away)
            {
                return (0, away.Message);
            }
        }

        /// <summary>Puts an object at whoever takes it, until one has acknowledged it.</summary>
        public async Task PutAsync(string key, byte[] body, CancellationToken cancellation)
        {
            for (int turn = 0; ; turn++)
            {
                try
                {
                    using ByteArrayContent content = new(body);
                    using HttpResponseMessage answer = await nodes[turn % 2 == 0 ? "a" : "b"]
                        .PutAsync($"/bucket/{key}", content, cancellation);
                    if (answer.IsSuccessStatusCode)
                    {
                        break;
                    }

                    Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
                }
                catch (HttpRequestException)
                {
                    // It may be kept or not: the same again.
                }

                await Task.Delay(turn % 2, cancellation);
            }

            lock (acknowledged)
            {
                acknowledged[key] = body;
                earlier.Add((key, body));
            }

            _ = Interlocked.Increment(ref count);
        }

        public void ExpectAll(string node)
        {
            lock (acknowledged)
            {
                foreach ((string key, byte[] body) in acknowledged)
                {
                    byte[] got = nodes[node].GetByteArrayAsync($"/bucket/{key}")
                        .GetAwaiter().GetResult();
                    Assert.True(got.AsSpan().SequenceEqual(body), Difference(key, body, got));
                }
            }
        }

        private string Difference(string key, byte[] body, byte[] got)
        {
            int at = body.AsSpan().CommonPrefixLength(got);
            int before = earlier.FindIndex(
                one => one.Key == key && one.Body.AsSpan().SequenceEqual(got));
            return $"{key}: {body.Length} bytes were acknowledged, of {got.Length} there the "
                + $"{at}th is the first other one; "
                + (before < 0 ? "never acknowledged" : $"acknowledged as number {before}, of "
                    + string.Join(' ', earlier.Index().Where(one => one.Item.Key == key)
                        .Select(one => one.Index)));
        }

        public void Dispose()
        {
            foreach (HttpClient client in nodes.Values)
            {
                client.Dispose();
            }
        }

        private static HttpClient Connect(string path) => new(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                Socket socket =
                    new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        })
        {
            BaseAddress = new("http://objects"),
            Timeout = Patience,
        };
    }

    /// <summary>Several that put at once, each over its own objects again and again.</summary>
    private sealed class Writing : IDisposable
    {
        private readonly Clients clients;
        private readonly CancellationTokenSource ending = new();
        private readonly Task all;

        public Writing(Clients clients)
        {
            this.clients = clients;
            all = Task.WhenAll(Enumerable.Range(0, Writers).Select(
                writer => Task.Run(() => WriteAsync(writer))));
        }

        public void UntilMore(int count)
        {
            int before = clients.Count;
            Until(
                () => all.IsFaulted || clients.Count >= before + count,
                () => $"{clients.Count - before} of {count} were acknowledged");
        }

        /// <summary>Ends when each has an answer to its last.</summary>
        public void Dispose()
        {
            ending.Cancel();
            all.GetAwaiter().GetResult();
            ending.Dispose();
        }

        private async Task WriteAsync(int writer)
        {
            using CancellationTokenSource late = new(2 * Patience);
            for (int number = 0; !ending.IsCancellationRequested; number++)
            {
                // The first of each is larger than a chunk.
                byte[] body = new byte[number % 20 == 0 ? 300_000 : 200 + (97 * (number % 50))];
                Random.Shared.NextBytes(body);
                await clients.PutAsync($"{writer}/{number % 40}", body, late.Token);
            }
        }
    }

    private static void Until(Func<bool> condition, Func<string> seen)
    {
        long begun = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(begun) < Patience, seen());
            Thread.Sleep(10);
        }
    }
}
