using System.Text;
using ApplicationServer.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Plugin.Testing;

namespace ApplicationServer.Journal.Tests;

/// <summary>
/// An application server, node a, and its storage node, b, in virtual time: whatever node crashes
/// or stands still, what node a was told to be held by both is in both logs at last.
/// </summary>
public sealed class RecordsTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("sample-records-");
    private readonly Writer writer = new();

    public void Dispose() => folder.Delete(recursive: true);

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 12).Select(n => (ulong)n)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void What_is_held_by_both_survives_whatever_happens_to_either(ulong seed)
    {
        using ClientPair pair = NewPair(seed);
        pair.Start();
        pair.RunUntil(
            () => writer.HighestHeld > 0, TimeSpan.FromMinutes(1), "the first record to be held");
        for (int round = 0; round < 15; round++)
        {
            pair.Run(TimeSpan.FromMilliseconds(pair.Below(40)));
            ClientNode node = pair.Below(2) == 0 ? pair.First : pair.Second;
            TimeSpan soon = TimeSpan.FromMilliseconds(1 + pair.Below(20));
            switch (pair.Below(4))
            {
                case 0: node.Reboot(soon); break;
                case 1: node.Pause(ClientPair.BeatLimit + soon); break;
                case 2: pair.Disconnect(); break;
                default: break;
            }
        }

        Settle(pair);
        using RecordLog mine = RecordLog.Open(Path.Combine(folder.FullName, "a.log"));
        using RecordLog kept = RecordLog.Open(Path.Combine(folder.FullName, "b.log"));
        Assert.Equal(mine.Count, kept.Count);
        Assert.True(kept.Count >= writer.HighestHeld);
        for (ulong record = 1; record <= kept.Count; record++)
        {
            Assert.Equal(TextOf(record), kept.Read(record));
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_server_without_its_file_is_given_every_record_again(ulong seed)
    {
        using ClientPair pair = NewPair(seed);
        pair.Start();
        ulong enough = 250 + (ulong)pair.Below(50); // The ring has been around once and more.
        pair.RunUntil(
            () => writer.HighestHeld >= enough, TimeSpan.FromMinutes(5), "records to be held");
        ulong before = writer.HighestHeld;

        // In a third of all seeds the storage node dies with it: its memory has what its log lacks.
        if (seed % 3 == 0)
        {
            pair.Second.Reboot(TimeSpan.FromMilliseconds(10));
        }

        pair.First.Crash();
        File.Delete(Path.Combine(folder.FullName, "a.log"));
        writer.Pauses = true;
        pair.First.Start();
        Settle(pair);
        using RecordLog mine = RecordLog.Open(Path.Combine(folder.FullName, "a.log"));
        Assert.True(mine.Count >= before, $"{mine.Count} of {before}");
        for (ulong record = 1; record <= mine.Count; record++)
        {
            Assert.Equal(TextOf(record), mine.Read(record));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Another_past_is_noticed_and_neither_is_written_over(ulong seed)
    {
        using (RecordLog other = RecordLog.Open(Path.Combine(folder.FullName, "b.log")))
        {
            _ = other.Append("of somebody else"u8);
        }

        using ClientPair pair = NewPair(seed);
        writer.WritesAlone = true;
        pair.First.Start();
        pair.RunUntil(() => pair.First.HasStarted, TimeSpan.FromSeconds(5), "its start");
        pair.Run(TimeSpan.FromMilliseconds(100));
        pair.Second.Start();
        pair.AwaitReady();
        pair.Run(TimeSpan.FromMilliseconds(200));
        Assert.Equal(RecordsState.Differing, writer.State);
        Assert.Equal(0UL, writer.HighestHeld);
        using RecordLog kept = RecordLog.Open(Path.Combine(folder.FullName, "b.log"));
        Assert.Equal(1UL, kept.Count);
        Assert.Equal("of somebody else"u8, kept.Read(1));
        pair.Check();
    }

    [Fact]
    public void A_torn_record_ends_the_log_and_is_written_over()
    {
        string path = Path.Combine(folder.FullName, "torn.log");
        using (RecordLog log = RecordLog.Open(path))
        {
            _ = log.Append("one"u8);
            _ = log.Append("two"u8);
            _ = log.Append("three"u8);
        }

        byte[] bytes = File.ReadAllBytes(path);
        bytes[Frame.HeaderBytes + "one".Length + 4] ^= 1; // In the second one's header.
        File.WriteAllBytes(path, bytes);
        using (RecordLog log = RecordLog.Open(path))
        {
            Assert.Equal(1UL, log.Count);
            Assert.Equal(2UL, log.Append("too"u8)); // As long as what it is written over.
        }

        using RecordLog again = RecordLog.Open(path);
        Assert.Equal(2UL, again.Count); // The old third one has another past.
        Assert.Equal("too"u8, again.Read(2));
    }

    /// <summary>Long enough that the ring goes around within a test.</summary>
    private static byte[] TextOf(ulong record) =>
        Encoding.UTF8.GetBytes($"record {record} ".PadRight(1500 + (int)(record % 700), '.'));

    private ClientPair NewPair(ulong seed) => new(() => new Twin(folder.FullName, writer), seed);

    private void Settle(ClientPair pair)
    {
        writer.Pauses = true;
        pair.Run(TimeSpan.FromMilliseconds(500));
        pair.AwaitReady();
        pair.RunUntil(
            () => writer is { State: RecordsState.Together } && writer.Held == writer.Count,
            TimeSpan.FromSeconds(30), "all records to be held by both");
        pair.Run(TimeSpan.FromMilliseconds(100)); // Until they are in the log of b.
        pair.Check();
    }

    /// <summary>What the application server is told, over all of its lives.</summary>
    private sealed class Writer : IRecordsWatcher
    {
        public bool Pauses { get; set; }

        public bool WritesAlone { get; set; }

        public RecordsState State { get; private set; }

        public ulong Held { get; private set; }

        public ulong HighestHeld { get; private set; }

        public ulong Count => Log?.Count ?? 0;

        public RecordLog? Log { get; set; }

        public void Changed(RecordsState state, ulong held, string why)
        {
            (State, Held) = (state, held);
            HighestHeld = Math.Max(held, HighestHeld);
        }

        public void Write(RecordsClient client, RecordLog log)
        {
            bool may = State is RecordsState.Together
                || (WritesAlone && State is RecordsState.Apart);
            if (may && !Pauses)
            {
                for (int count = 0; count < 3; count++)
                {
                    _ = log.Append(TextOf(log.Count + 1));
                }

                client.Appended();
            }
        }
    }

    /// <summary>The client of either node; on node a with somebody who appends.</summary>
    private sealed class Twin(string folder, Writer writer) : IPlugin
    {
        public void Register(IPluginRegistry registry) => registry.Services
            .AddSingleton<IClient>(services =>
            {
                NodeInfo node = services.GetRequiredService<NodeInfo>();
                RecordLog log = RecordLog.Open(Path.Combine(folder, $"{node.Name}.log"));
                bool writes = node.Name == "a";
                IReactor reactor = services.GetRequiredService<IReactor>();
                RecordsClient client = new(
                    log, writes ? writer : new Writer(), node, reactor,
                    services.GetRequiredService<ILogger<RecordsClient>>());
                writer.Log = writes ? log : writer.Log;
                return writes ? new Writing(client, log, writer, reactor) : client;
            });
    }

    /// <summary>The client, and a timer that appends.</summary>
    private sealed class Writing(
        RecordsClient client, RecordLog log, Writer writer, IReactor reactor) : IClient
    {
        private IDisposable? appending;

        public ClientNeeds Needs => client.Needs;

        public async ValueTask StartAsync(
            IClientServices services, CancellationToken stopping)
        {
            writer.Changed(RecordsState.Apart, 0, "");
            await client.StartAsync(services, stopping);
            appending = reactor.Every(
                TimeSpan.FromMilliseconds(3), () => writer.Write(client, log));
        }

        public void PartnerReady(ClientGrant grant) => client.PartnerReady(grant);

        public void PartnerLost(SessionId session, SessionEnd end) =>
            client.PartnerLost(session, end);

        public ValueTask StopAsync(CancellationToken deadline)
        {
            appending?.Dispose();
            return client.StopAsync(deadline);
        }
    }
}
