using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;
using StorageOs.Transport.Loopback;

namespace StorageOs.Claims.Tests;

/// <summary>Two connection managers over the real Loopback, without any client unless one is admitted.</summary>
internal sealed class TwoManagers : IAsyncDisposable
{
    public const ulong MemoryOfA = 0x5000000000, MemoryOfB = 0x6000000000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly string fabric = Directory.CreateTempSubdirectory("claims-").FullName;
    private readonly List<ConnectionManager> started = [];

    public RecordingProvider WireOfA { get; } = new(new LoopbackProvider());

    public RecordingProvider WireOfB { get; } = new(new LoopbackProvider());

    public ConnectionManager A { get; private set; } = null!;

    public ConnectionManager B { get; private set; } = null!;

    public static Guid PairId { get; } = Guid.NewGuid();

    public ConnectionManager StartA(ushort versionMin = 1, ushort versionMax = 1, ulong partnerMemory = MemoryOfB) =>
        A = Start("a", 1, 2, WireOfA, "fc:010203", 7, MemoryOfA, "fc:010204", 9, partnerMemory, versionMin, versionMax);

    public ConnectionManager StartB(ushort versionMin = 1, ushort versionMax = 1) =>
        B = Start("b", 2, 1, WireOfB, "fc:010204", 9, MemoryOfB, "fc:010203", 7, MemoryOfA, versionMin, versionMax);

    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(2));
        for (long from = Stopwatch.GetTimestamp(); !condition();)
        {
            Assert.True(Stopwatch.GetElapsedTime(from) < Patience, $"not within {Patience}: {what}");
            _ = await timer.WaitForNextTickAsync();
        }
    }

    public Task BothReadyAsync() => UntilAsync(
        () => A.Status.State == "Ready" && B.Status.State == "Ready",
        $"both ready ({A.Status.Step}: {A.Status.Reason}; {B.Status.Step}: {B.Status.Reason})");

    public async ValueTask DisposeAsync()
    {
        foreach (ConnectionManager manager in started)
        {
            await manager.StopAsync("the test ends");
            manager.Dispose();
        }

        Directory.Delete(fabric, recursive: true);
    }

    private ConnectionManager Start(
        string name, ulong id, ulong partnerId, RecordingProvider wire, string address, uint port, ulong memory,
        string partnerAddress, uint partnerPort, ulong partnerMemory, ushort versionMin, ushort versionMax)
    {
        ConnectionManager manager = new(
            new CcmSettings
            {
                Name = name,
                Self = new(id, PairId, (ulong)Stopwatch.GetTimestamp()),
                PartnerSystemId = partnerId,
                PairKey = [.. Enumerable.Range(0, 32).Select(i => (byte)i)],
                VersionMin = versionMin,
                VersionMax = versionMax,
            },
            new WellKnownSettings(
                new TransportSettings(address, new Dictionary<string, string> { ["fabric"] = fabric }),
                port, memory, partnerAddress, partnerPort, partnerMemory),
            wire,
            NullLoggerFactory.Instance);
        manager.Start();
        manager.SetBootPhase(BootPhase.Connecting);
        started.Add(manager);
        return manager;
    }
}
