using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;
using StorageOs.Transport.Loopback;

namespace StorageOs.Claims.Tests;

/// <summary>What a session costs that nothing happens in.</summary>
public sealed class SteadySessionTests : IDisposable
{
    private const int TurnsToReadyMax = 5_000;
    private const int TurnsToSteady = 25_000; // What is assumed of a beat settles in 30 s.
    private const int TurnsCounted = 5_000;
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(2);
    private readonly string fabric = Directory.CreateTempSubdirectory("steady-").FullName;

    public void Dispose() => Directory.Delete(fabric, recursive: true);

    [Fact]
    public void Turns_in_which_only_the_beat_moves_allocate_nothing()
    {
        using ConnectionManager a = Make("a", 1, 2, "fc:010203", "fc:010204");
        using ConnectionManager b = Make("b", 2, 1, "fc:010204", "fc:010203");
        Instant now = new(0);
        void Run(int turns)
        {
            for (int turn = 0; turn < turns; turn++)
            {
                now += Period;
                foreach (ConnectionManager one in (ReadOnlySpan<ConnectionManager>)[a, b])
                {
                    one.Page.BeatWord++;
                    one.Turn(now);
                }
            }
        }

        for (int turn = 0; turn < TurnsToReadyMax && !Ready(a, b); turn++)
        {
            Run(1);
            Thread.Sleep(1); // The transport's own threads are in no virtual time.
        }

        Assert.True(Ready(a, b), $"a: {a.Status.Reason}; b: {b.Status.Reason}");
        Run(TurnsToSteady);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run(TurnsCounted);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(Ready(a, b));
        Assert.Equal(0, allocated);
    }

    private static bool Ready(ConnectionManager a, ConnectionManager b) =>
        a.Status.State == "Ready" && b.Status.State == "Ready";

    private ConnectionManager Make(
        string name, ulong id, ulong partner, string address, string partnerAddress)
    {
        ConnectionManager manager = new(
            new CcmSettings
            {
                Name = name,
                Self = new(id, TwoManagers.PairId, id),
                PartnerSystemId = partner,
                PairKey = new byte[32],
            },
            new WellKnownSettings(
                new TransportSettings(
                    address, new Dictionary<string, string> { ["fabric"] = fabric }),
                7, TwoManagers.MemoryOfA, partnerAddress, 7, TwoManagers.MemoryOfA),
            new LoopbackProvider(), NullLoggerFactory.Instance, new Seeded(), static () => { });
        manager.Start();
        manager.SetBootPhase(BootPhase.Serving);
        return manager;
    }

    private sealed class Seeded : IRandomSource
    {
        private readonly Random random = new(7);

        public void Fill(Span<byte> bytes) => random.NextBytes(bytes);

        public double NextDouble() => random.NextDouble();
    }
}
