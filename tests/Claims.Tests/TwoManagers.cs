using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Loop;
using StorageOs.Transport.Loopback;

namespace StorageOs.Claims.Tests;

/// <summary>
/// Two connection managers over the real Loopback, without any client unless one is admitted.
/// </summary>
internal sealed class TwoManagers : IAsyncDisposable
{
    public const ulong MemoryOfA = 0x5000000000, MemoryOfB = 0x6000000000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly string fabric = Directory.CreateTempSubdirectory("claims-").FullName;
    private readonly List<ConnectionManager> started = [];
    private readonly List<Reactor> reactors = [];

    public RecordingProvider WireOfA { get; } = new(new LoopbackProvider());

    public RecordingProvider WireOfB { get; } = new(new LoopbackProvider());

    public ConnectionManager A { get; private set; } = null!;

    public ConnectionManager B { get; private set; } = null!;

    public static Guid PairId { get; } = Guid.NewGuid();

    /// <summary>What both managers log, in order of saying it: <c>a: …</c>.</summary>
    public ConcurrentQueue<string> Log { get; } = new();

    /// <summary>Names of the events that both log.</summary>
    public ConcurrentQueue<string> Named { get; } = new();

    public ConnectionManager StartA(
        ushort versionMin = 1, ushort versionMax = 1, ulong partnerMemory = MemoryOfB) =>
        A = Start(
            "a", 1, 2, WireOfA, ("fc:010203", 7, MemoryOfA), ("fc:010204", 9, partnerMemory),
            (versionMin, versionMax));

    public ConnectionManager StartB(ushort versionMin = 1, ushort versionMax = 1) =>
        B = Start(
            "b", 2, 1, WireOfB, ("fc:010204", 9, MemoryOfB), ("fc:010203", 7, MemoryOfA),
            (versionMin, versionMax));

    /// <summary>Ends a node and lets go of its place on the fabric.</summary>
    public async Task StopAsync(ConnectionManager manager)
    {
        _ = started.Remove(manager);
        await manager.StopAsync("the test says so");
        manager.Dispose();
    }

    /// <summary>Admits and starts a client as the host does, on a reactor of its own.</summary>
    public async Task<TestClient> LoadAsync(ConnectionManager manager, TestClient client)
    {
        string name = client.Needs.Name;
        Reactor reactor = new(name);
        reactors.Add(reactor);
        client.Reactor = reactor.ForModule(name, client.Faults.Enqueue);
        client.Refusal = manager.Admit(
            name, client, client.Needs, client.Reactor, out IClientServices? services);
        if (client.Refusal is null)
        {
            client.Starting = client.Reactor.CallAsync(
                () => client.StartAsync(services!, CancellationToken.None));
            if (!client.Hangs)
            {
                await client.Starting;
                manager.Started(name);
            }
        }

        return client;
    }

    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(2));
        for (long from = Stopwatch.GetTimestamp(); !condition();)
        {
            Assert.True(
                Stopwatch.GetElapsedTime(from) < Patience, $"not within {Patience}: {what}");
            _ = await timer.WaitForNextTickAsync();
        }
    }

    public Task BothReadyAsync() => UntilAsync(
        () => A.Status.State == "Ready" && B.Status.State == "Ready",
        $"both ready ({A.Status.Step}: {A.Status.Reason}; {B.Status.Step}: {B.Status.Reason})");

    public async ValueTask DisposeAsync()
    {
        foreach (ConnectionManager manager in started.ToArray())
        {
            await StopAsync(manager);
        }

        reactors.ForEach(reactor => reactor.Dispose());
        Directory.Delete(fabric, recursive: true);
    }

    private ConnectionManager Start(
        string name, ulong id, ulong partnerId, RecordingProvider wire,
        (string Address, uint Port, ulong Memory) own,
        (string Address, uint Port, ulong Memory) partner,
        (ushort Min, ushort Max) versions)
    {
        ConnectionManager manager = new(
            new CcmSettings
            {
                Name = name,
                Self = new(id, PairId, (ulong)Stopwatch.GetTimestamp()),
                PartnerSystemId = partnerId,
                PairKey = [.. Enumerable.Range(0, 32).Select(i => (byte)i)],
                VersionMin = versions.Min,
                VersionMax = versions.Max,
            },
            new WellKnownSettings(
                new TransportSettings(
                    own.Address, new Dictionary<string, string> { ["fabric"] = fabric }),
                own.Port, own.Memory, partner.Address, partner.Port, partner.Memory),
            wire,
            LoggerFactory.Create(builder => builder.AddProvider(new LogTo(name, Log, Named))));
        manager.Start();
        manager.SetBootPhase(BootPhase.Connecting);
        started.Add(manager);
        return manager;
    }

    private sealed class LogTo(
        string node, ConcurrentQueue<string> lines, ConcurrentQueue<string> named)
        : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            lines.Enqueue($"{node}: {formatter(state, exception)}");
            if (eventId.Name is { } name)
            {
                named.Enqueue(name);
            }
        }

        public void Dispose()
        {
        }
    }
}
