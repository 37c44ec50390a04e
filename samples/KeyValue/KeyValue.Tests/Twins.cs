using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Plugin.Testing;

namespace Sample.KeyValue.Tests;

/// <summary>
/// An application that writes on whichever node takes it, for as long as either lives. Each write
/// has a number, and so has what became of it.
/// </summary>
internal sealed class Writer
{
    private const int Keys = 20;
    private readonly Dictionary<string, SortedDictionary<int, bool>> tried = [];
    private readonly Dictionary<string, int> acknowledged = [];
    private int number;

    /// <summary>The client of each node's latest boot.</summary>
    public Dictionary<string, KeyValueClient> Nodes { get; } = [];

    public int Acknowledged { get; private set; }

    public bool Pauses { get; set; }

    public bool HaveDiffered { get; private set; }

    /// <summary>Three writes; every seventh deletes.</summary>
    public void Write(KeyValueClient client)
    {
        HaveDiffered |= client.Replica.State is MapState.Differing;
        for (int count = 0; count < 3 && !Pauses; count++)
        {
            int mine = ++number;
            string key = $"key {mine % Keys}";
            bool deletes = mine % 7 == 0;
            SortedDictionary<int, bool> ofKey = tried.TryGetValue(key, out var known)
                ? known : tried[key] = [];
            ofKey[mine] = deletes;
            client.Replica.Write(
                deletes ? FrameKind.Delete : FrameKind.Set, key, deletes ? [] : ValueOf(mine),
                outcome => Note(key, mine, outcome.Error));
        }

        client.Pump();
    }

    /// <summary>Nothing acknowledged is missing, and nothing is there that nobody wrote.</summary>
    public void Check(Store store)
    {
        Assert.Subset(tried.Keys.ToHashSet(), store.Map.Keys.ToHashSet());
        foreach ((string key, SortedDictionary<int, bool> ofKey) in tried)
        {
            int since = acknowledged.GetValueOrDefault(key);
            string? found = store.Map.TryGetValue(key, out byte[]? value)
                ? Encoding.UTF8.GetString(value).Trim('.') : null;
            Assert.True(
                ofKey.Any(each => each.Key >= since
                    && (each.Value ? found is null : found == $"{each.Key}"))
                || (since == 0 && found is null),
                $"{key}: {since} was acknowledged, found {found}");
        }
    }

    private static byte[] ValueOf(int number) =>
        Encoding.UTF8.GetBytes($"{number}".PadRight(10 + (number * 37 % 3000), '.'));

    private void Note(string key, int mine, string? error)
    {
        if (error is null)
        {
            acknowledged[key] = mine;
            Acknowledged++;
        }
        else if (!error.StartsWith("UNKNOWN", StringComparison.Ordinal))
        {
            _ = tried[key].Remove(mine); // Refused: it must never be found.
        }
    }
}

/// <summary>The plugin, and an application on each node.</summary>
internal sealed class WrittenPlugin(Writer writer) : IPlugin
{
    public void Register(IPluginRegistry registry) => registry.Services
        .AddSingleton(static services =>
            Settings.Of(services.GetRequiredService<IConfiguration>()))
        .AddSingleton<KeyValueClient>()
        .AddSingleton<IClient>(services => new Written(
            services.GetRequiredService<KeyValueClient>(), writer,
            services.GetRequiredService<NodeInfo>(), services.GetRequiredService<IReactor>()));

    private sealed class Written(
        KeyValueClient client, Writer writer, NodeInfo node, IReactor reactor) : IClient
    {
        private IDisposable? writing;

        public ClientNeeds Needs => client.Needs;

        public async ValueTask StartAsync(
            IClientServices services, CancellationToken stopping)
        {
            await client.StartAsync(services, stopping);
            writer.Nodes[node.Name] = client;
            writing = reactor.Every(
                TimeSpan.FromMilliseconds(3), () => writer.Write(client));
        }

        public void PartnerReady(ClientGrant grant) => client.PartnerReady(grant);

        public void PartnerLost(SessionId session, SessionEnd end) =>
            client.PartnerLost(session, end);

        public ValueTask StopAsync(CancellationToken deadline)
        {
            writing?.Dispose();
            return client.StopAsync(deadline);
        }
    }
}
