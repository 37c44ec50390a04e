using System.Net.Sockets;
using StorageOs.Contracts.Runtime;
using StorageOs.Plugin.Testing;

namespace Sample.ObjectGateway.Tests;

/// <summary>Two nodes with the plugin in virtual time, and a client of each by its socket.
/// </summary>
internal sealed class TestPair : IDisposable
{
    private readonly MemoryVolumes volumes;
    private readonly Dictionary<ClientNode, HttpClient> clients = [];

    public TestPair(ulong seed = 1, int bytes = 4 * Size.MiB)
    {
        volumes = new MemoryVolumes(seed).Add("vol0", bytes);
        Pair = new(static () => new GatewayPlugin(), seed, ConformanceTests.On(volumes));
        Pair.Start();
        foreach (ClientNode node in new[] { Pair.First, Pair.Second })
        {
            clients[node] = Connect(Path.Combine(
                ((GatewayClient)node.Client!).DataDirectory, "objects.sock"));
        }

        Settle();
    }

    public ClientPair Pair { get; }

    public ClientNode A => Pair.First;

    public ClientNode B => Pair.Second;

    public Memory<byte> Bytes => volumes.BytesOf("vol0");

    public static GatewayClient Gateway(ClientNode node) => (GatewayClient)node.Client!;

    /// <summary>Lets a node serve the volume, or none, and waits until it is mounted.</summary>
    public void Serve(string? node)
    {
        volumes.Serve(node);
        Settle();
    }

    /// <summary>Sends a request; the pair's time goes on until it is answered.</summary>
    public HttpResponseMessage Send(
        ClientNode node, HttpMethod method, string target, byte[]? body = null,
        params (string Name, string Value)[] headers)
    {
        using HttpRequestMessage request = new(method, target);
        request.Content = body is null ? null : new ByteArrayContent(body);
        foreach ((string name, string value) in headers)
        {
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        }

        return Await(clients[node].SendAsync(request));
    }

    public HttpResponseMessage Put(string target, byte[] body) =>
        Send(A, HttpMethod.Put, target, body);

    public HttpResponseMessage Get(string target) => Send(A, HttpMethod.Get, target);

    public static byte[] Body(HttpResponseMessage answer) =>
        answer.Content.ReadAsByteArrayAsync().GetAwaiter().GetResult();

    public static string Text(HttpResponseMessage answer) =>
        answer.Content.ReadAsStringAsync().GetAwaiter().GetResult();

    /// <summary>Lets the pair's time go on until something outside it has come.</summary>
    public T Await<T>(Task<T> task)
    {
        DateTime until = DateTime.UtcNow.AddSeconds(30);
        while (!task.IsCompleted && DateTime.UtcNow < until)
        {
            Pair.Run(TimeSpan.FromMilliseconds(1));
            Pair.Check();
            Thread.Yield();
        }

        Assert.True(task.IsCompleted, "nothing was answered");
        return task.GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        foreach (HttpClient client in clients.Values)
        {
            client.Dispose();
        }

        Pair.Dispose();
    }

    private void Settle() => Pair.Run(TimeSpan.FromMilliseconds(100));

    private static HttpClient Connect(string socket) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellation) =>
        {
            Socket to = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await to.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellation);
            return new NetworkStream(to, ownsSocket: true);
        },
    })
    {
        BaseAddress = new("http://objects"),
    };
}
