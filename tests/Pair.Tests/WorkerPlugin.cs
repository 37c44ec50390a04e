using StorageOs.Kernel.Tests;

namespace StorageOs.Pair.Tests;

/// <summary>
/// A plugin whose client uses all that a contract gives it: it writes blocks and words into its
/// twin's memory without end, looks whether the twin's came in order, and does harm when told to.
/// </summary>
internal static class WorkerPlugin
{
    internal const string Id = "worker";

    /// <summary>Puts it into its folder.</summary>
    internal static void Put(string directory, string more = ", \"isolation\": \"process\"") =>
        PluginBuilder.Put(directory, Id, Source, more: more);

    private const string Source = """
        public sealed class Entry : IPlugin
        {
            public void Register(IPluginRegistry registry)
            {
                registry.Services.AddSingleton<Worker>();
                registry.Services.AddSingleton<IClient>(s => s.GetRequiredService<Worker>());
                registry.Services.AddSingleton<IStatusReporter>(s => s.GetRequiredService<Worker>());
                registry.Services.AddSingleton<IOperatorCommand>(s => s.GetRequiredService<Worker>());
            }
        }

        public sealed class Worker(IReactor reactor, NodeInfo node, ILogger<Worker> log, IHandoverVetoes vetoes)
            : IClient, IStatusReporter, IOperatorCommand, IDisposable
        {
            private const int Block = 32 * 1024;
            private IClientServices services;
            private ClientGrant grant;
            private IPort port;
            private IDescriptorWatch watch;
            private IRemoteMemory later, memory;
            private ulong sent, done, seen, wrong, rounds, kept;
            private int busy, sessions, opened, reads;
            private IDisposable veto;
            private string last = "";
            private bool stubborn;

            public string Section => "worker";
            public string Name => "worker";
            public ClientNeeds Needs { get; } = new("worker", new VersionRange(1, 1),
                [new PortNeed("words", 16)],
                [new RegionNeed("page", 2 * Block, RemoteAccess.Write),
                 new RegionNeed("own", Block, RemoteAccess.None),
                 new RegionNeed("kept", 4096, RemoteAccess.Write,
                    System.IO.Path.Combine(node.NvramDirectory, "worker.kept")),
                 new RegionNeed("later", 4096, RemoteAccess.Read) { OfferedOnRequest = true }]);

            public async ValueTask StartAsync(IClientServices services, CancellationToken stopping)
            {
                this.services = services;
                await Task.Run(() => { }, stopping);
                Invariant.Require(reactor.IsCurrent);
                kept = ++Word(services.Region("kept"), 8);
                MemoryMarshal.Cast<byte, ulong>(services.Region("later").Bytes).Fill(node.SystemId);
                services.Offer("later");
                reactor.Every(TimeSpan.FromMilliseconds(1), Look);
            }

            public void PartnerReady(ClientGrant grant)
            {
                sessions++;
                this.grant = grant;
                memory = grant.Memory["page"];
                (sent, done, seen, busy) = (0, 0, 0, 0);
                services.Offer("later");
                Use(grant.Ports["words"]);
            }

            private void Use(IPort port)
            {
                this.port = port;
                busy = 0;
                watch?.Dispose();
                watch = null;
                if (port is ICompletionChannel channel)
                {
                    watch = reactor.Watch(channel.Descriptor, DescriptorInterest.Readable, _ => { channel.Arm(); Take(); });
                    channel.Arm();
                }
                Send();
            }

            private void Send()
            {
                IRegion own = services.Region("own");
                if (grant is not null && busy == 0)
                {
                    sent++;
                    MemoryMarshal.Cast<byte, ulong>(own.Bytes).Fill(sent);
                    port.Hold();
                    bool all = port.TryPostWrite(1, own, 0, grant.Memory["page"], Block, Block);
                    all &= port.TryPostWriteWord(2, sent, grant.Memory["page"], 0);
                    all &= port.TryPostWriteWord(3, sent, grant.Memory["kept"], 0);
                    busy = 3;
                    if (later is not null && sent % 8 == 0)
                    {
                        all &= port.TryPostRead(4, own, 0, later, 0, 4096);
                        busy++;
                    }
                    port.Ring();
                    if (!all) throw new InvalidOperationException("no room");
                    Take();
                }
            }

            private void Take()
            {
                Completion[] completions = new Completion[16];
                ulong before = done;
                while (port is not null && port.Poll(completions) is var count && count > 0)
                {
                    for (int i = 0; i < count; i++)
                    {
                        busy--;
                        last = completions[i].Status.ToString();
                        if (completions[i] is { Token: 4, Status: CompletionStatus.Success })
                        {
                            reads++;
                            if (Word(services.Region("own"), 0) != node.PartnerSystemId) wrong++;
                        }
                        if (completions[i].Status == CompletionStatus.Success) done++;
                        else grant = null;
                    }
                }
                if (done != before && busy == 0) reactor.Post(_ => Send(), null);
            }

            private void Look()
            {
                if (grant is null) return;
                Take();
                IRegion page = services.Region("page");
                ulong word = Volatile.Read(ref Word(page, 0));
                if (word < seen) wrong++;
                seen = Math.Max(seen, word);
                foreach (ulong value in MemoryMarshal.Cast<byte, ulong>(page.Bytes[Block..]))
                    if (value < word) { wrong++; break; }
                rounds++;
            }

            private static ref ulong Word(IRegion region, int at) =>
                ref MemoryMarshal.AsRef<ulong>(region.Bytes[at..]);

            public void PartnerLost(SessionId session, SessionEnd end)
            {
                grant = null;
                later = null;
                watch?.Dispose();
                watch = null;
                // Every post has completed by now, or will.
                if (!SpinWait.SpinUntil(() => { Take(); return busy == 0; }, 1000)) wrong += 1000;
                if (!port.TryPostWriteWord(9, 1, memory, 0)) wrong += 10000;
                Completion[] late = new Completion[2];
                if (port.Poll(late) != 1 || late[0] != new Completion(9, CompletionStatus.PortClosed)) wrong += 10000;
                log.LogInformation("lost: {Reason}", end.Reason);
                services.Region("later").Revoke();
                if (!services.Region("later").ProbeRevoked()) wrong += 100;
                services.Region("later").Reclaim([new(0, 4096)]);
                Word(services.Region("page"), 0) = 0;
            }

            public void PortChanged(string name, IPort replacement)
            {
                Take();
                if (replacement is not null) { opened++; Use(replacement); } else { grant = null; }
            }

            public void MemoryChanged(string region, IRemoteMemory memory) => later = memory;

            public async ValueTask StopAsync(CancellationToken deadline)
            {
                if (stubborn) await Task.Delay(-1);
                log.LogInformation("stopped in good order");
            }

            public void Dispose() => log.LogInformation("disposed");

            public JsonNode Report() => new JsonObject
            {
                ["sent"] = sent, ["seen"] = seen, ["wrong"] = wrong, ["sessions"] = sessions,
                ["opened"] = opened, ["reads"] = reads, ["kept"] = kept, ["last"] = last,
                ["process"] = Environment.ProcessId, ["vetoes"] = vetoes.All.Count,
                ["partner"] = services.Partner.Condition.ToString(),
            };

            public async ValueTask<JsonNode> RunAsync(JsonObject arguments, CancellationToken cancellation)
            {
                switch ($"{arguments["do"]}")
                {
                    case "throw": Soon(() => throw new TimeZoneNotFoundException("no such zone")); break;
                    case "thread": Soon(() => new Thread(() => throw new TimeZoneNotFoundException("in a thread")).Start()); break;
                    case "access": Soon(() => Marshal.WriteByte(new IntPtr(16), 1)); break;
                    case "native": Soon(() => abort()); break;
                    case "stack": Soon(() => Deep(0)); break;
                    case "spin": Soon(() => { while (true) { } }); break;
                    case "exit": Soon(() => Environment.Exit(3)); break;
                    case "eat": Soon(() => { List<byte[]> all = []; while (true) { all.Add(new byte[1 << 20]); Array.Fill(all[^1], (byte)1); } }); break;
                    case "stay": stubborn = true; break;
                    case "reopen": await services.OpenPortAsync("words"); break;
                    case "veto": veto = vetoes.Veto(null, "the worker works", "tell it not to"); break;
                    case "unveto": veto?.Dispose(); break;
                    case "refuse": throw new RefusedException(new Refusal("worker", "mercy", "none"));
                    case "fail": throw new InvalidOperationException("of the command alone");
                }
                return new JsonObject { ["did"] = $"{arguments["do"]}", ["on"] = reactor.IsCurrent };
            }

            // Once the answer is out.
            private void Soon(Action deed) => reactor.After(TimeSpan.FromMilliseconds(100), deed);

            private static int Deep(int depth) => Deep(depth + 1) + 1;

            [DllImport("libc")] private static extern void abort();
        }
        """;
}
