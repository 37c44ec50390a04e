using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Claims.Tests;

/// <summary>
/// Rows about what is exchanged for clients and what they may ask for, over the real transport.
/// </summary>
public sealed class ClientClaims
{
    private const int Pages = 2;

    private static TestClient Small(bool hangs = false) => new(new(
        "small", new(1, 1), [new("words", 4)],
        [new("page", Pages * Size.Page, RemoteAccess.Write)]))
    { Hangs = hangs };

    private static TestClient Large() => new(new(
        "large", new(1, 3), [new("one", 8), new("two", 16), new("three", 32)],
        [new("bulk", 3 << 20, RemoteAccess.Read), new("ring", 1 << 20, RemoteAccess.Write)]));

    private static Task ReadyAsync(params TestClient[] clients) => TwoManagers.UntilAsync(
        () => clients.All(client => client.Grant is not null),
        $"clients ready: {string.Join(", ", clients.Select(c => string.Join(" ", c.Told)))}");

    [Fact]
    public async Task Claim03_the_steps_after_the_connection_come_in_this_order_on_both_nodes()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient a = await pair.LoadAsync(pair.A, Small());
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        foreach (string node in new[] { "a", "b" })
        {
            string[] log =
                [.. pair.Log.Where(line => line.StartsWith(node, StringComparison.Ordinal))];
            int[] places =
            [
                .. Order.Select(step => Array.FindLastIndex(
                    log, line => line.Contains(step, StringComparison.Ordinal))),
            ];
            Assert.DoesNotContain(-1, places);
            Assert.Equal(places.Order(), places);
        }
    }

    /// <summary>Claim 3 in the words of the log.</summary>
    internal static IReadOnlyList<string> Order { get; } =
    [
        "AwaitConfirmed -> PeerInfo", // read, write, read, write have succeeded
        "PeerInfo -> Proof", // peer connection information exchanged
        "Proof -> ClientInfo", // pass client information
        "ClientInfo -> Ports", // create the ports
        "Ports -> AwaitReady", // alert the partner that we are ready
        "ready with", // and it is, too
        "client small is told", // alert the clients
    ];

    [Fact]
    public async Task Memory_without_rights_for_the_twin_is_not_offered_and_costs_nobody_anything()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        ClientNeeds needs = new(
            "alone", new(1, 1), [new("one", 8)],
            [new("scratch", Size.Page, RemoteAccess.None), new("ring", Size.Page, RemoteAccess.Write)]);
        TestClient a = await pair.LoadAsync(pair.A, new TestClient(needs));
        TestClient b = await pair.LoadAsync(pair.B, new TestClient(needs));
        await ReadyAsync(a, b);
        Assert.Equal(["ring"], a.Grant!.Memory.Keys);
        Assert.Throws<RefusedException>(() => a.Services.Offer("scratch"));
        Assert.Throws<RefusedException>(() => a.Services.Offer("ring"));

        // The session is made anew with what was never offered.
        SessionId? first = pair.A.Status.Session;
        b.Services.Reconnect("test");
        await TwoManagers.UntilAsync(
            () => pair.A.Status.Session is { } next && next != first && a.Told.Count == 3,
            "both meet again");
    }

    [Fact]
    public async Task Claim05_Claim06_Claim07_two_clients_with_different_needs_one_loaded_late()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient smallA = await pair.LoadAsync(pair.A, Small());
        TestClient smallB = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(smallA, smallB);
        SessionId? session = pair.A.Status.Session;

        // A client that only one side has waits, and costs the other nothing.
        TestClient largeA = await pair.LoadAsync(pair.A, Large());
        await TwoManagers.UntilAsync(
            () => pair.A.Status.Clients.Any(c => c is { Name: "large", State: "WaitingForTwin" }),
            "it waits");
        Assert.Equal("small", Assert.Single(pair.B.Status.Clients).Name);
        TestClient largeB = await pair.LoadAsync(pair.B, Large());
        await ReadyAsync(largeA, largeB);

        Assert.Equal(session, pair.A.Status.Session); // The same session, and nobody was disturbed.
        Assert.Single(smallA.Told);
        Assert.Single(smallB.Told);
        foreach (TestClient large in new[] { largeA, largeB })
        {
            Assert.Equal(["one", "three", "two"], large.Grant!.Ports.Keys.Order());
            Assert.Equal([8, 32, 16], large.Grant.Ports.OrderBy(p => p.Key)
                .Select(p => p.Value.PostsInFlightMax));
            Assert.Equal(3UL << 20, large.Grant.Memory["bulk"].Region.Length);
            Assert.Equal(RemoteAccess.Read, large.Grant.Memory["bulk"].Region.Access);
            Assert.Equal(1UL << 20, large.Grant.Memory["ring"].Region.Length);
            Assert.Equal((ushort)3, large.Grant.Version);
        }

        Assert.Equal(CompletionStatus.Success, smallA.Write("words", "from a"));
        Assert.Equal("from a", smallB.Read(6));
    }

    [Fact]
    public async Task Claim06_Claim07_both_nodes_say_the_same_ports_and_memory()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient[] all =
        [
            await pair.LoadAsync(pair.A, Large()), await pair.LoadAsync(pair.A, Small()),
            await pair.LoadAsync(pair.B, Small()), await pair.LoadAsync(pair.B, Large()),
        ];
        await ReadyAsync(all);
        await TwoManagers.UntilAsync(
            () => pair.A.Status.Clients.Concat(pair.B.Status.Clients).All(c => c.State == "Ready"),
            "all ready in status");
        Assert.Equal(pair.A.Status.Clients, pair.B.Status.Clients);
        Assert.Equal(
            [("large", 3, 4L << 20), ("small", 1, (long)Pages * Size.Page)],
            pair.A.Status.Clients.Select(c => (c.Name, c.Ports, c.MemoryBytes)));
    }

    [Fact]
    public async Task Claim06_Claim07_more_than_the_limit_is_refused_by_name_and_maps_nothing()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient ports = await pair.LoadAsync(pair.A, new(new(
            "ports", new(1, 1),
            [.. Enumerable.Range(0, ClientLimits.PortsPerClientMax + 1).Select(
                i => new PortNeed($"p{i}", 1))], [])));
        TestClient memory = await pair.LoadAsync(pair.A, new(new(
            "memory", new(1, 1), [],
            [.. Enumerable.Range(0, 5).Select(
                i => new RegionNeed($"r{i}", 1 << 30, RemoteAccess.Read))])));
        Assert.Equal(
            ("client ports", "at most 16 ports", "17"),
            (ports.Refusal!.Subject, ports.Refusal.Expected, ports.Refusal.Actual));
        Assert.Equal(
            ("client memory", $"{5L << 30}"), (memory.Refusal!.Subject, memory.Refusal.Actual));
        Assert.Contains($"{ClientLimits.MemoryBytesMax}", memory.Refusal.Expected);
        TestClient a = await pair.LoadAsync(pair.A, Small());
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        Assert.Equal("small", Assert.Single(pair.A.Status.Clients).Name);
    }

    [Fact]
    public async Task Claim06_Claim07_twins_that_ask_for_different_ports_wait_and_hold_up_nobody()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient odd =
            await pair.LoadAsync(pair.A, new(new("odd", new(1, 1), [new("x", 1)], [])));
        await pair.LoadAsync(pair.B, new(new("odd", new(1, 1), [new("x", 2)], [])));
        TestClient a = await pair.LoadAsync(pair.A, Small());
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        Assert.Null(odd.Grant);
        foreach (CcmStatus status in new[] { pair.A.Status, pair.B.Status })
        {
            CcmClientStatus known = status.Clients.First(c => c.Name == "odd");
            Assert.Equal("WaitingForTwin", known.State);
            Assert.Contains("odd", known.Reason); // An operator sees why.
            Assert.Equal("", status.Clients.First(c => c.Name == "small").Reason);
        }
    }

    [Fact]
    public async Task Claim07_who_leaves_before_its_code_has_ended_keeps_its_memory_and_its_name()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient a = await pair.LoadAsync(pair.A, Small());
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        SessionId? session = pair.A.Status.Session;
        Assert.Equal(CompletionStatus.Success, b.Write("words", "before"));
        pair.A.Leave("small", "test");
        await TwoManagers.UntilAsync(
            () => b.Told.Count == 2 && a.Told.Count == 2, "both hear of it");
        Assert.Equal(session, pair.A.Status.Session);
        Assert.NotEqual(CompletionStatus.Success, b.TryWrite("words", "after"));
        Assert.Equal("before", a.Read(6)); // Mapped still, for whoever reads it.
        Assert.NotNull((await pair.LoadAsync(pair.A, Small())).Refusal);
        await pair.A.RemoveAsync("small", "test").WaitAsync(TimeSpan.FromSeconds(5));
        Assert.Null((await pair.LoadAsync(pair.A, Small())).Refusal);
        await TwoManagers.UntilAsync(() => b.Told.Count == 3, "the next one is met");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Claim07_a_port_that_fails_as_its_twin_leaves_ends_no_session_and_else_it_does(
        bool leaves)
    {
        await using TwoManagers pair = new();
        pair.WireOfA.SaysFailed = true;
        pair.StartA();
        pair.StartB();
        TestClient a = await pair.LoadAsync(pair.A, Small());
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        SessionId? session = pair.A.Status.Session;
        pair.WireOfB.ClientPorts.Last().Dispose(); // Before the word of it.
        if (leaves)
        {
            pair.B.Leave("small", "test");
        }

        await TwoManagers.UntilAsync(() => a.Told.Count >= 2, "it hears of it");
        await Task.Delay(200);
        Assert.Equal(leaves, pair.A.Status.Session == session);
        Assert.Equal(
            leaves ? "lost TwinLeft" : "lost EndpointGone", a.Told.ElementAt(1));
    }

    [Fact]
    public async Task Claim21_the_session_is_ready_while_a_client_hangs_in_its_start_on_both_nodes()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient[] hanging =
        [
            await pair.LoadAsync(pair.A, Small(hangs: true)),
            await pair.LoadAsync(pair.B, Small(hangs: true)),
        ];
        TestClient[] well =
        [
            await pair.LoadAsync(pair.A, Large()), await pair.LoadAsync(pair.B, Large()),
        ];
        pair.A.SetBootPhase(BootPhase.Recovering);
        pair.B.SetBootPhase(BootPhase.Recovering);
        await ReadyAsync(well);
        await pair.BothReadyAsync();
        Assert.All(hanging, client => Assert.Empty(client.Told));
        Assert.All(hanging, client => Assert.False(client.Starting.IsCompleted));
        await TwoManagers.UntilAsync(
            () => pair.A.Partner is
            { Condition: PartnerCondition.Booting, BootPhase: BootPhase.Recovering }
                && pair.B.Partner is
                { Condition: PartnerCondition.Booting, BootPhase: BootPhase.Recovering },
            "each sees the other boot");
    }

    [Fact]
    public async Task Claim23_a_client_opens_closes_and_reopens_a_port_and_asks_for_the_partner()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient a = await pair.LoadAsync(pair.A, Small());
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        SessionId? session = pair.A.Status.Session;
        Assert.Equal(session, a.Services.Partner.Session);
        Assert.Equal(PartnerCondition.Booting, a.Services.Partner.Condition);
        pair.B.SetBootPhase(BootPhase.Serving);
        await TwoManagers.UntilAsync(
            () => a.Services.Partner.Condition == PartnerCondition.Serving, "the partner's state");

        IPort first = a.Grant!.Ports["words"];
        IPort opened = await OpenAsync(a);
        Assert.Equal(PortState.Disposed, first.State);
        Assert.Equal(PortState.Open, opened.State);
        await HearsAsync(b, "port words open");
        Assert.Equal(CompletionStatus.Success, a.Write("words", "anew"));
        Assert.Equal("anew", b.Read(4));

        a.Services.ClosePort("words");
        await HearsAsync(b, "port words closed");
        await TwoManagers.UntilAsync(() => opened.State == PortState.Disposed, "closed here, too");

        // The twin opens it this time; whoever closed it may be given it again.
        IPort again = await OpenAsync(b);
        await TwoManagers.UntilAsync(
            () => a.Ports["words"] is { State: PortState.Open }, "a has it, too");
        Assert.Equal(CompletionStatus.Success, b.Write("words", "back"));
        Assert.Equal("back", a.Read(4));
        Assert.Equal(CompletionStatus.Success, a.Write("words", "forth"));
        Assert.Equal(PortState.Open, again.State);
        Assert.Equal(session, pair.A.Status.Session); // All of it within one session.
        Assert.Empty(a.Faults.Concat(b.Faults));
    }

    [Fact]
    public async Task Claim23_asks_of_both_twins_at_once_end_alike_and_never_the_session()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient a = await pair.LoadAsync(pair.A, Small());
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        SessionId? session = pair.A.Status.Session;
        Random random = new(23);
        for (int round = 0; round < 300; round++)
        {
            await Task.WhenAll(AskAsync(a, random.Next(4)), AskAsync(b, random.Next(4)));
            if (round % 10 == 9)
            {
                // Whatever came of it: an open that meets no close any more brings both to one
                // port that works.
                while (!await AskAsync(round % 20 == 9 ? a : b, 0))
                {
                }

                await TwoManagers.UntilAsync(() => IsOpen(a) && IsOpen(b), $"round {round}");
                Assert.Equal(CompletionStatus.Success, a.Write("words", $"{round}"));
                Assert.Equal(CompletionStatus.Success, b.Write("words", $"{round}"));
            }
        }

        Assert.Equal(session, pair.A.Status.Session);
        Assert.Equal(session, pair.B.Status.Session);
        Assert.Empty(a.Faults.Concat(b.Faults));
    }

    [Fact]
    public async Task Claim23_what_cannot_be_is_refused_with_the_reason()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        TestClient a = await pair.LoadAsync(pair.A, Small());
        RefusedException none = await Assert.ThrowsAsync<RefusedException>(() => OpenAsync(a));
        Assert.Equal("a session", none.Refusal.Expected);
        RefusedException unknown = await Assert.ThrowsAsync<RefusedException>(
            () => OpenAsync(a, "other"));
        Assert.Contains("words", unknown.Refusal.Expected);
        pair.StartB();
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        Task<IPort> waits = a.Reactor.CallAsync(async () =>
        {
            ValueTask<IPort> opening = a.Services.OpenPortAsync("words");
            a.Services.ClosePort("words");
            return await opening;
        });

        // The manager's thread is urgent, this one is not: both nodes may have opened the port
        // before the close is said. Either way it does not stay open.
        try
        {
            IPort opened = await waits;
            await TwoManagers.UntilAsync(
                () => opened.State != PortState.Open, "a port that was opened and closed");
        }
        catch (RefusedException closed)
        {
            Assert.Contains("closed by this client", closed.Refusal.Actual);
        }
    }

    [Fact]
    public async Task Claim23_a_reconnect_that_a_client_asks_for_gives_a_new_session()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient a = await pair.LoadAsync(pair.A, Small());
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        SessionId first = a.Grant!.Session;
        a.Services.Reconnect("the test asks");
        await TwoManagers.UntilAsync(
            () => a.Grant.Session != first && b.Grant!.Session == a.Grant.Session, "a new session");
        Assert.Equal([$"ready {first}", "lost LocalStop", $"ready {a.Grant.Session}"], a.Told);
        Assert.Equal(3, b.Told.Count);
    }

    /// <summary>As of a card that was pulled, which refuses everything from then on.</summary>
    [Fact]
    [Raises("client-failed")]
    public async Task Ports_that_cannot_be_closed_keep_no_word_from_a_client_and_end_no_node()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient a = await pair.LoadAsync(pair.A, Small());
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        SessionId first = a.Grant!.Session;
        pair.WireOfA.EndsToRefuse = 1_000;
        await pair.StopAsync(pair.B);
        await TwoManagers.UntilAsync(
            () => a.Told.Any(static one => one.StartsWith("lost", StringComparison.Ordinal)),
            "a client that has heard of the loss");
        pair.WireOfA.EndsToRefuse = 0;
        pair.StartB();
        b = await pair.LoadAsync(pair.B, Small());
        await TwoManagers.UntilAsync(
            () => a.Grant.Session != first && b.Grant?.Session == a.Grant.Session, "a new session");
        Assert.Equal(CompletionStatus.Success, a.Write("words", "anew"));
        Assert.Empty(a.Faults);
    }

    [Fact]
    public async Task A_port_that_is_gone_without_a_word_of_the_partner_ends_the_session()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient a = await pair.LoadAsync(pair.A, Small());
        TestClient b = await pair.LoadAsync(pair.B, Small());
        await ReadyAsync(a, b);
        SessionId first = a.Grant!.Session;
        pair.WireOfB.ClientPorts.First().Dispose(); // Behind the back of b's manager.
        await TwoManagers.UntilAsync(
            () => a.Grant.Session != first && b.Grant!.Session == a.Grant.Session, "a new session");
        Assert.Equal(CompletionStatus.Success, a.Write("words", "anew"));
    }

    [Fact]
    public async Task Needs_that_would_not_fit_into_one_record_are_refused_and_the_rest_connects()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        TestClient? refused = null;
        for (int i = 0; refused is null && i < ClientLimits.ClientsMax; i++)
        {
            TestClient next = await pair.LoadAsync(pair.A, new TestClient(Largest($"client-{i}")));
            refused = next.Refusal is null ? null : next;
        }

        Assert.Contains("one record", refused!.Refusal!.Expected);
        await pair.BothReadyAsync();
    }

    private static ClientNeeds Largest(string name)
    {
        static string Long(int i) => $"{i:D2}".PadRight(ClientLimits.NameCharactersMax, 'x');
        return new(
            name.PadRight(ClientLimits.NameCharactersMax, 'x'), new VersionRange(1, 1),
            [.. Enumerable.Range(0, ClientLimits.PortsPerClientMax)
                .Select(i => new PortNeed(Long(i), 8))],
            [.. Enumerable.Range(0, ClientLimits.RegionsPerClientMax)
                .Select(i => new RegionNeed(Long(i), Size.Page, RemoteAccess.Read))]);
    }

    private static bool IsOpen(TestClient client) =>
        client.Ports["words"] is { State: PortState.Open };

    private static Task<IPort> OpenAsync(TestClient client, string port = "words") =>
        client.Reactor.CallAsync(() => client.Services.OpenPortAsync(port));

    /// <summary>
    /// Opens, opens twice, closes, or opens and closes; a refusal is one good answer.
    /// </summary>
    private static async Task<bool> AskAsync(TestClient client, int what)
    {
        try
        {
            Task<IPort> opening = what == 2 ? Task.FromResult<IPort>(null!) : OpenAsync(client);
            Task<IPort> second = what == 1 ? OpenAsync(client) : opening;
            if (what >= 2)
            {
                await client.Reactor.CallAsync(() =>
                {
                    client.Services.ClosePort("words");
                    return ValueTask.CompletedTask;
                });
            }

            _ = await Task.WhenAll(opening, second).WaitAsync(TimeSpan.FromSeconds(10));
            return true;
        }
        catch (RefusedException refused)
        {
            Assert.Equal("port words of small", refused.Refusal.Subject);
            return false;
        }
    }

    private static Task HearsAsync(TestClient client, string word) => TwoManagers.UntilAsync(
        () => client.Told.LastOrDefault() == word,
        $"'{word}', not {string.Join(", ", client.Told)}");
}
