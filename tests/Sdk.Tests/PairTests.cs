using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Plugin.Testing;
using Xunit.Sdk;

namespace StorageOs.Sdk.Tests;

/// <summary>The pair does to a client what a node does.</summary>
public sealed class PairTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_port_that_failed_ends_the_session(ulong seed)
    {
        using ClientPair pair = New(new Script(), seed);
        pair.Start();
        ScriptClient first = Client(pair.First);
        On(pair, pair.Second, static client => client.Services.Withdraw("page"));
        On(pair, pair.First, static client => client.Write());
        pair.Run(Second);
        Assert.Equal(["ready", "lost EndpointGone", "ready"], first.Told);
        Assert.Equal("port words: Failed", first.Services.Partner.LastEnd!.Detail);
        pair.Check();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_port_that_one_twin_closes_for_itself_ends_the_session_after_a_while(ulong seed)
    {
        using ClientPair pair = New(new Script(), seed);
        pair.Start();
        On(pair, pair.First, static client => client.Grant!.Ports["words"].Dispose());
        pair.Run(Second / 2);
        Assert.Equal(["ready"], Client(pair.Second).Told);
        pair.Run(Second);
        Assert.Equal(["ready", "lost EndpointGone", "ready"], Client(pair.Second).Told);
        pair.Check();
    }

    [Fact]
    public void What_is_offered_before_the_twin_has_started_is_told_to_it_then()
    {
        Script script = new()
        {
            Start = static client =>
            {
                TaskCompletionSource done = new();
                _ = client.Reactor.After(
                    client.Node.Name == "b" ? Second : TimeSpan.Zero, done.SetResult);
                return done.Task;
            },
            Ready = static client => client.Services.Offer("later"),
        };
        for (ulong seed = 1; seed <= 10; seed++)
        {
            using ClientPair pair = New(script, seed);
            pair.Start();
            pair.Run(Second);
            Assert.Equal(["ready", "later offered"], Client(pair.Second).Told);
            Assert.Equal(["ready", "later offered"], Client(pair.First).Told);
        }
    }

    [Fact]
    public void What_is_offered_and_withdrawn_is_told_in_that_order()
    {
        for (ulong seed = 1; seed <= 20; seed++)
        {
            using ClientPair pair = New(new Script(), seed);
            pair.Start();
            On(pair, pair.First, static client =>
            {
                client.Services.Offer("later");
                client.Services.Withdraw("later");
            });
            pair.Run(Second);
            Assert.Equal(
                ["ready", "later offered", "later withdrawn"], Client(pair.Second).Told);
        }
    }

    [Fact]
    public void A_port_can_be_opened_right_after_it_was_closed()
    {
        for (ulong seed = 1; seed <= 10; seed++)
        {
            IPort? opened = null;
            using ClientPair pair = New(new Script(), seed);
            pair.Start();
            On(pair, pair.First, async client =>
            {
                client.Services.ClosePort("words");
                opened = await client.Services.OpenPortAsync("words");
            });
            pair.Run(Second);
            Assert.Equal(PortState.Open, opened?.State);
            Assert.Equal(["ready", "closed", "opened"], Client(pair.First).Told);
            pair.Check();
        }
    }

    [Fact]
    public void A_close_refuses_the_open_before_it_and_a_token_ends_its_own_wait_alone()
    {
        List<string> ends = [];
        using CancellationTokenSource given = new();
        using ClientPair pair = New(new Script(), 1);
        pair.Start();
        On(pair, pair.First, client =>
        {
            Open(client, given.Token, "with");
            Open(client, default, "without");
            given.Cancel();
        });
        pair.Run(Second);
        On(pair, pair.First, client =>
        {
            Open(client, default, "closed");
            client.Services.ClosePort("words");
        });
        pair.Run(Second);
        Assert.Equal(["with OperationCanceled", "without", "closed Refused"], ends);

        async void Open(ScriptClient client, CancellationToken token, string who)
        {
            try
            {
                _ = await client.Services.OpenPortAsync("words", token);
                ends.Add(who);
            }
            catch (Exception end) when (end is OperationCanceledException or RefusedException)
            {
                ends.Add(
                    $"{who} {(end is RefusedException ? "Refused" : "OperationCanceled")}");
            }
        }
    }

    [Fact]
    public void A_wait_with_a_token_is_as_much_of_one_seed_as_one_without()
    {
        Assert.Equal(Story(), Story());

        static string Story()
        {
            List<TimeSpan> times = [];
            using CancellationTokenSource source = new();
            using ClientPair pair = New(new Script(), 5);
            pair.Start();
            for (int turn = 0; turn < 50; turn++)
            {
                On(pair, pair.First, async client =>
                {
                    _ = await client.Services.OpenPortAsync("words", source.Token);
                    times.Add(pair.Now);
                });
                pair.Run(Second / 10);
            }

            Assert.Equal(50, times.Count);
            return string.Join(' ', times);
        }
    }

    [Fact]
    public void What_other_threads_have_said_long_ago_makes_no_wait_longer()
    {
        using ClientPair pair = New(
            new Script
            {
                Start = static client =>
                {
                    _ = client.Reactor.Every(Second / 10, static () => { });
                    return Task.Run(() =>
                    {
                        for (int count = 0; count < 100; count++)
                        {
                            client.Reactor.Post(static _ => { }, null);
                        }
                    });
                },
            },
            1);
        pair.Start();
        TimeSpan before = pair.Now;
        _ = Assert.ThrowsAny<XunitException>(
            () => pair.RunUntil(static () => false, Second, "nothing"));
        Assert.InRange(pair.Now - before, TimeSpan.Zero, 3 * Second);
    }

    [Fact]
    public void Who_stops_at_the_deadline_has_stopped_in_time()
    {
        using ClientPair pair = New(
            new Script
            {
                Stop = static async (_, deadline) =>
                {
                    TaskCompletionSource over = new();
                    await using (deadline.Register(over.SetResult))
                    {
                        await over.Task;
                    }
                },
            },
            1);
        pair.Start();
        pair.First.Stop();
        pair.Check();
    }

    [Theory]
    [InlineData(1, SessionEndReason.PartnerExited)]
    [InlineData(2, SessionEndReason.EndpointGone)]
    [InlineData(4, SessionEndReason.PartnerExited)]
    [InlineData(7, SessionEndReason.EndpointGone)]
    public void How_a_partner_was_lost_is_told_and_known_afterwards(
        ulong seed, SessionEndReason reason)
    {
        using ClientPair pair = New(new Script(), seed);
        pair.Start();
        ScriptClient first = Client(pair.First);
        Assert.Null(first.Services.Partner.LastEnd);
        IPort port = first.Grant!.Ports["words"];
        Assert.False(port.PartnerExited);
        pair.Second.Crash();
        pair.Run(Second);
        Assert.Equal(reason == SessionEndReason.PartnerExited, port.PartnerExited);
        Assert.Equal($"lost {reason}", first.Told[^1]);
        Assert.Equal(reason, first.Services.Partner.LastEnd!.Reason);
        Assert.True(first.Services.Partner.DetectedAfter > TimeSpan.Zero);

        pair.Second.Start();
        pair.AwaitReady();
        pair.Second.Pause(ClientPair.BeatLimit * 2);
        pair.Run(Second);
        Assert.Contains("lost BeatStill", first.Told);
    }

    [Fact]
    public void Services_are_disposed_on_the_reactor_that_they_live_on()
    {
        List<bool> current = [];
        Script script = new() { Dispose = client => current.Add(client.Reactor.IsCurrent) };
        using (ClientPair pair = New(script, 1))
        {
            pair.Start();
            pair.First.Stop();
            Assert.Equal([true], current);
        }

        Assert.Equal([true, true], current);
    }

    [Fact]
    public void Memory_of_sessions_long_ago_is_gone()
    {
        using ClientPair pair = New(new Script(), 1);
        pair.Start();
        Memory<byte> memory = Client(pair.First).Services.Region("page").Memory;
        foreach (byte expected in new byte[] { 0xEE, 0 })
        {
            pair.Disconnect();
            pair.Run(Second);
            if (expected > 0)
            {
                Assert.Equal(expected, memory.Span[0]);
            }
        }

        _ = Assert.Throws<ObjectDisposedException>(() => memory.Span[0]);
    }

    [Fact]
    public void A_timer_has_a_period()
    {
        using ClientPair pair = New(
            new Script
            {
                Start = static client =>
                {
                    _ = client.Reactor.Every(TimeSpan.Zero, static () => { });
                    return Task.CompletedTask;
                },
            },
            1);
        pair.First.Start();
        pair.Run(Second);
        Assert.Contains("ArgumentOutOfRangeException", Assert.Single(pair.Faults));
    }

    private static ClientPair New(Script script, ulong seed) =>
        new(() => new ScriptPlugin(script), seed);

    private static ScriptClient Client(ClientNode node) => (ScriptClient)node.Client!;

    /// <summary>Does something on a client's reactor.</summary>
    private static void On(ClientPair pair, ClientNode node, Action<ScriptClient> action)
    {
        ScriptClient client = Client(node);
        client.Reactor.Post(_ => action(client), null);
        pair.Run(TimeSpan.FromMilliseconds(1));
    }
}
