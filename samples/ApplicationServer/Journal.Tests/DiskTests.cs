using ApplicationServer.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Plugin.Testing;

namespace ApplicationServer.Journal.Tests;

/// <summary>
/// Disks that are slow or fail, a twin that misbehaves, and who may go on alone: what is said to be
/// kept is kept, and two pasts do not come of it.
/// </summary>
public sealed class DiskTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("sample-records-");

    public void Dispose() => folder.Delete(recursive: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Who_may_go_on_alone_sends_what_is_flushed_and_nothing_else(bool flushesFirst)
    {
        using SlowFile file = new(StableFile.Open(At("a.log")));
        RecordLog? log = null;
        RecordsClient? client = null;
        Watcher watcher = new();
        using ClientPair pair = new(
            () => new Of((services, node) => node.Name == "a"
                ? client = NewClient(
                    services, log = RecordLog.Open(file), watcher, flushesFirst)
                : NewClient(services, RecordLog.Open(At("b.log")), new Watcher(), false)),
            seed: 1);
        pair.Start();
        pair.RunUntil(() => watcher.State is RecordsState.Together, Soon, "them to meet");
        file.Flushes.Reset();
        _ = log!.Append("one"u8);
        client!.Appended();
        pair.Run(TimeSpan.FromMilliseconds(200));
        Assert.Equal(flushesFirst ? 0UL : 1UL, watcher.Held);
        file.Flushes.Set();
        Assert.True(SpinWait.SpinUntil(() => log.Flushed == 1, Soon));
        pair.RunUntil(() => watcher.Held == 1, Soon, "it to be held");
        pair.Check();
    }

    [Fact]
    public void A_twin_that_reads_nothing_and_says_it_differs_ends_nobody()
    {
        using (RecordLog full = RecordLog.Open(At("a.log")))
        {
            // To the last byte, with the word that came first.
            int left = Ring.Bytes - Frame.HeaderBytes;
            while (left > 0)
            {
                byte[] payload = new byte[Math.Min(left, Frame.BytesMax) - Frame.HeaderBytes];
                _ = full.Append(payload);
                left -= Frame.HeaderBytes + payload.Length;
            }

            _ = full.Append("one more"u8);
        }

        Watcher watcher = new();
        Hostile? hostile = null;
        using ClientPair pair = new(
            () => new Of((services, node) => node.Name == "a"
                ? NewClient(services, RecordLog.Open(At("a.log")), watcher, true)
                : hostile = new Hostile(
                    NewClient(services, RecordLog.Open(At("b.log")), new Watcher(), false),
                    services.GetRequiredService<IReactor>())),
            seed: 1);
        pair.Start();
        pair.RunUntil(
            () => hostile is { HasSaid: true } && watcher.State is RecordsState.Differing, Soon,
            "it to hear that they differ");
        pair.Run(TimeSpan.FromMilliseconds(100));
        pair.Check();
        hostile!.Takes = Ring.Bytes;
        pair.RunUntil(
            () => hostile.Tail == Ring.Bytes + Frame.HeaderBytes, Soon, "its own word of it");
        pair.Check();
    }

    [Fact]
    public void After_a_flush_that_failed_nothing_more_is_kept_in_that_file()
    {
        using SlowFile file = new(StableFile.Open(At("a.log")));
        using RecordLog log = RecordLog.Open(file);
        Acknowledging acknowledging = new(log, alone: true, At("lacks"));
        acknowledging.Changed(RecordsState.Together, 0, "");
        (ulong first, _) = acknowledging.Append("one"u8, null);
        log.Flush(first);
        (ulong second, _) = acknowledging.Append("two"u8, null);
        file.Fails = true;
        Assert.Throws<IOException>(() => log.Flush(second));
        file.Fails = false;
        Assert.Throws<IOException>(() => log.Flush(second));
        Assert.Throws<IOException>(() => log.Append("three"u8));
        Assert.Equal(first, log.Flushed);
        Assert.Equal("a disk that keeps it", acknowledging.WhyNot(null)?.Expected);
        Assert.Throws<RefusedException>(() => acknowledging.Append("three"u8, null));
    }

    [Fact]
    public void Nothing_is_appended_once_the_partner_is_asked_what_it_has()
    {
        using RecordLog log = RecordLog.Open(At("a.log"));
        _ = log.Append("first"u8);
        Acknowledging acknowledging = new(log, alone: true, At("lacks"));
        acknowledging.Changed(RecordsState.Apart, 0, "");
        using CancellationTokenSource ends = new();
        Thread appends = new(() =>
        {
            while (!ends.IsCancellationRequested)
            {
                try
                {
                    _ = acknowledging.Append("more"u8, null);
                }
                catch (RefusedException)
                {
                    // The partner is being asked.
                }
            }
        });
        appends.Start();
        int late = 0;
        for (int round = 0; round < 300; round++)
        {
            acknowledging.Changed(RecordsState.Meeting, 0, "");
            ulong asked = log.Count;
            Thread.SpinWait(20_000);
            late += log.Count == asked ? 0 : 1;
            acknowledging.Changed(RecordsState.Apart, 0, "");
            Thread.Yield();
        }

        ends.Cancel();
        appends.Join();
        Assert.Equal(0, late);
        Assert.True(log.Count > 1);
    }

    [Fact]
    public void Who_has_not_been_told_all_does_not_go_on_alone_in_its_next_life_either()
    {
        using RecordLog log = RecordLog.Open(At("a.log"));
        _ = log.Append("one of three"u8);
        Acknowledging first = new(log, alone: true, At("lacks"));
        first.Changed(RecordsState.Apart, 0, "");
        Assert.Null(first.WhyNot(null));
        first.Changed(RecordsState.Meeting, 0, "");
        first.Changed(RecordsState.Behind, 1, "");
        first.Changed(RecordsState.Apart, 1, "it died");
        Assert.NotNull(first.WhyNot(null));

        Acknowledging next = new(log, alone: true, At("lacks"));
        next.Changed(RecordsState.Apart, 0, "");
        Assert.NotNull(next.WhyNot(null));
        Assert.NotNull(next.WhyNot("the node is stopped"));
        next.Changed(RecordsState.Together, 1, "");
        next.Changed(RecordsState.Apart, 1, "");
        Assert.Null(next.WhyNot(null));
        Assert.Null(new Acknowledging(log, alone: true, At("lacks")).WhyNot(null));
    }

    private static RecordsClient NewClient(
        IServiceProvider services, RecordLog log, IRecordsWatcher watcher, bool flushesFirst) =>
        new(
            log, watcher, services.GetRequiredService<NodeInfo>(),
            services.GetRequiredService<IReactor>(),
            services.GetRequiredService<ILogger<RecordsClient>>(), flushesFirst);

    private string At(string name) => Path.Combine(folder.FullName, name);

    /// <summary>A plugin of one client.</summary>
    private sealed class Of(Func<IServiceProvider, NodeInfo, IClient> make) : IPlugin
    {
        public void Register(IPluginRegistry registry) => registry.Services.AddSingleton(
            services => make(services, services.GetRequiredService<NodeInfo>()));
    }

    private sealed class Watcher : IRecordsWatcher
    {
        public RecordsState State { get; private set; }

        public ulong Held { get; private set; }

        public void Changed(RecordsState state, ulong held, string why) =>
            (State, Held) = (state, held);
    }

    /// <summary>A file whose flush waits, or fails, when told to.</summary>
    private sealed class SlowFile(IStableFile file) : IStableFile
    {
        public ManualResetEventSlim Flushes { get; } = new(initialState: true);

        public bool Fails { get; set; }

        public int Read(Span<byte> into, long offset) => file.Read(into, offset);

        public void Write(ReadOnlySpan<byte> bytes, long offset) => file.Write(bytes, offset);

        public void Flush()
        {
            Flushes.Wait();
            if (Fails)
            {
                throw new IOException("the disk fails");
            }

            file.Flush();
        }

        public void Dispose() => file.Dispose();
    }

    /// <summary>
    /// A twin that says it has nothing, takes nothing, and says that all differs once its inbox is
    /// full.
    /// </summary>
    private sealed class Hostile(RecordsClient good, IReactor reactor) : IClient
    {
        private IRegion inbox = null!;
        private IClientServices services = null!;
        private IDisposable? ticking;

        public bool HasSaid { get; private set; }

        public long Takes { get; set; }

        public long Tail { get; private set; }

        public ClientNeeds Needs => good.Needs;

        public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
        {
            this.services = services;
            inbox = services.Region(Ring.Inbox);
            return default;
        }

        public void PartnerReady(ClientGrant grant)
        {
            Outgoing outgoing = new(
                grant.Ports[Ring.Port], services.Region(Ring.Outbox), inbox,
                grant.Memory[Ring.Inbox], Ring.TagOf(grant));
            Assert.True(outgoing.TryPut(new(FrameKind.Hello, 0, Frame.ChainStart, [])));
            ticking = reactor.Every(TimeSpan.FromMilliseconds(4), () =>
            {
                Tail = Ring.Read(inbox.Bytes, Ring.TailAt).Position;
                if (Tail == Ring.Bytes && !HasSaid)
                {
                    HasSaid = true;
                    Assert.True(outgoing.TryPut(
                        new(FrameKind.Differs, 0, Frame.ChainStart, [])));
                }

                outgoing.Send(Takes);
                _ = outgoing.Poll();
            });
        }

        public void PartnerLost(SessionId session, SessionEnd end) => ticking?.Dispose();

        public ValueTask StopAsync(CancellationToken deadline)
        {
            ticking?.Dispose();
            return default;
        }
    }
}
