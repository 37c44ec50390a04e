using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Kernel.Cli.Timeline;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Tests;

/// <summary>
/// Two nodes' events in one order: as it was, whatever their clocks say. Each test tells a story
/// in true time to two nodes whose clocks are wrong, and wants it back.
/// </summary>
public sealed class StoryTests
{
    private const long Second = 1_000_000;

    public static TheoryData<double, double> Hours => new()
    {
        { 0, 0 }, { 0, 3 }, { 3, 0 }, { -7, 0 }, { 0, -7 }, { 24 * 365, -24 * 90 },
    };

    [Fact]
    public void An_age_before_all_time_is_all_there_is()
    {
        DateTimeOffset now = DateTimeOffset.UnixEpoch.AddYears(50);
        Assert.Equal(now.AddHours(-1), TimelineCommand.Back(now, TimeSpan.FromHours(1)));
        Assert.Equal(
            DateTimeOffset.UnixEpoch,
            TimelineCommand.Back(now, TimelineCommand.Age("999999d")!.Value));
    }

    [Theory]
    [MemberData(nameof(Hours))]
    public void A_takeover_and_a_return_are_in_order_whatever_the_clocks_say(
        double hoursOfA, double hoursOfB)
    {
        Teller a = new(1, hoursOfA);
        Teller b = new(1, hoursOfB);
        List<string> wanted = Takeover(a, b, bootOfReturn: hoursOfA);
        Story story = Story.Of("a", a.Events, "b", b.Events);
        Assert.Equal(wanted, story.Events.Select(of => $"{of.Node} {of.What.Text}"));
        Assert.Equal("b", story.Clock.Reference); // It was up all the while.
        Assert.Equal(Math.Abs(hoursOfA - hoursOfB) > 0.1, story.Clock.Disagrees);
        Assert.InRange(
            story.Clock.Ahead!.Value.TotalHours - (hoursOfA - hoursOfB), -0.001, 0.001);
        for (int i = 1; i < story.Events.Count; i++)
        {
            Assert.True(story.Events[i - 1].Time <= story.Events[i].Time + Milli(3));
        }
    }

    [Fact]
    public void A_clock_that_is_set_between_boots_moves_nothing()
    {
        Teller a = new(1, 5);
        Teller b = new(1, 0);
        List<string> wanted = Takeover(a, b, bootOfReturn: -2);
        Story story = Story.Of("a", a.Events, "b", b.Events);
        Assert.Equal(wanted, story.Events.Select(of => $"{of.Node} {of.What.Text}"));
    }

    [Fact]
    public void A_clock_that_is_set_within_a_boot_moves_nothing()
    {
        Teller a = new(1, 0);
        Teller b = new(1, 0);
        List<string> wanted = Takeover(a, b, bootOfReturn: 0, setB: 4);
        Story story = Story.Of("a", a.Events, "b", b.Events);
        Assert.Equal(wanted, story.Events.Select(of => $"{of.Node} {of.What.Text}"));
    }

    [Fact]
    public void The_register_is_told_once_for_each_term_with_who_swapped()
    {
        Teller a = new(1, 3);
        Teller b = new(1, 0);
        _ = Takeover(a, b, bootOfReturn: 3);
        Story story = Story.Of("a", a.Events, "b", b.Events);
        Assert.Equal(
            ["0:1 a New by a", "0:2 a InSync by a", "0:3 b Stale by b", "0:4 b InSync by b"],
            story.Register.Select(
                of => $"{of.Group.Value}:{of.Term} {of.Owner} {of.Sync} by {of.By}"));
    }

    [Fact]
    public void Shared_sessions_and_terms_order_what_clocks_order_wrongly()
    {
        // No session in which both tell that they were ready: the clocks are not comparable, and
        // b's is a day behind.
        Teller a = new(1, 0);
        Teller b = new(1, -24);
        a.Say(0, "boot");
        a.Swap(10, 7, "a", "Stale");
        b.Say(20, "boot");
        b.See(30, 7, "a", "Stale");
        b.Swap(40, 8, "b", "InSync");
        a.See(50, 8, "b", "InSync");
        Story story = Story.Of("a", a.Events, "b", b.Events);
        Assert.Equal(0, story.Clock.Sessions);
        string[] order = [.. story.Events.Select(of => $"{of.Node} {of.What.Text}")];
        Assert.True(Array.IndexOf(order, "a swap 7") < Array.IndexOf(order, "b see 7"));
        Assert.True(Array.IndexOf(order, "b swap 8") < Array.IndexOf(order, "a see 8"));
    }

    [Fact]
    public void Rings_that_contradict_each_other_lose_nothing_and_end()
    {
        Teller a = new(1, 0);
        Teller b = new(1, 0);
        a.See(1, 9, "b", "Stale");
        a.Swap(2, 5, "a", "Stale");
        b.See(1, 6, "a", "Stale");
        b.Swap(2, 9, "b", "Stale");
        Story story = Story.Of("a", a.Events, "b", b.Events);
        Assert.Equal(4, story.Events.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Any_lives_of_two_nodes_come_back_in_their_order(int seed)
    {
        for (int i = 0; i < 500; i++)
        {
            OneLife(new Random((seed * 1000) + i), (seed * 1000) + i);
        }
    }

    [Fact]
    public void What_a_node_and_its_partner_tell_of_it_is_told_once()
    {
        Teller a = new(1, 0);
        a.Say(1, "one");
        a.Say(2, "two");
        a.Say(3, "three");
        EventRing own = new([.. a.Events.Take(2)], 1);
        EventRing kept = new([.. a.Events.Skip(1)], 2);
        StorySource source = StorySource.Of(
            "a", "",
            new System.Text.Json.Nodes.JsonObject { ["own"] = Ring(own) },
            new System.Text.Json.Nodes.JsonObject { ["kept"] = Ring(kept) });
        Assert.Equal(a.Events, source.Events);
        Assert.Equal((2, 2, 3), (source.OwnCount, source.KeptCount, source.Damaged));
    }

    [Fact]
    public void A_text_is_broken_at_blanks_and_nothing_of_it_is_lost()
    {
        Assert.Equal(["one two", "three"], TimelineView.Wrapped("one two three", 8));
        Assert.Equal(["abcdefgh", "ij"], TimelineView.Wrapped("abcdefghij", 8));
        Assert.Equal([""], TimelineView.Wrapped("", 8));
    }

    [Theory]
    [InlineData("10m", 600)]
    [InlineData("30s", 30)]
    [InlineData("2h", 7200)]
    [InlineData("1d", 86400)]
    [InlineData("m", null)]
    [InlineData("10", null)]
    [InlineData("-1m", null)]
    [InlineData("99999999d", null)]
    public void An_age_is_a_number_and_a_unit(string text, int? seconds) => Assert.Equal(
        seconds, (int?)TimelineCommand.Age(text)?.TotalSeconds);

    private static System.Text.Json.Nodes.JsonNode Ring(EventRing ring) =>
        System.Text.Json.Nodes.JsonNode.Parse(new System.Text.Json.Nodes.JsonObject
        {
            ["events"] = new System.Text.Json.Nodes.JsonArray(
                [.. ring.Events.Select(RecorderDocument.Of)]),
            ["damaged"] = ring.Damaged,
        }.ToJsonString())!;

    private static TimeSpan Milli(double count) => TimeSpan.FromMilliseconds(count);

    /// <summary>a owns, is killed, b takes over, a comes back. Times in seconds, true.</summary>
    private static List<string> Takeover(
        Teller a, Teller b, double bootOfReturn, double? setB = null)
    {
        List<string> order = [];
        void Say(Teller who, double at, string text)
        {
            who.Say(at, text);
            order.Add($"{(ReferenceEquals(who, a) ? "a" : "b")} {text}");
        }

        SessionId first = new(1, 1, 1, 1);
        SessionId second = new(2, 1, 1, 2);
        Say(a, 1, "boot");
        Say(b, 2, "boot");
        a.Swap(3, 1, "a", "New");
        order.Add("a swap 1");
        Begin(first, 4);
        a.Swap(5, 2, "a", "InSync");
        order.Add("a swap 2");
        b.See(5.5, 2, "a", "InSync");
        order.Add("b see 2");
        Say(a, 6, "last words");
        b.End(7.001, first);
        order.Add("b ended");
        if (setB is { } hours)
        {
            b.SetClock(hours);
        }

        Say(b, 7.010, "fenced");
        b.Swap(7.020, 3, "b", "Stale");
        order.Add("b swap 3");
        Say(b, 7.030, "serving");
        a.Boot(2, bootOfReturn);
        Say(a, 9, "boot again");
        a.See(9.5, 3, "b", "Stale");
        order.Add("a see 3");
        Begin(second, 10);
        Say(b, 11, "resync");
        b.Swap(12, 4, "b", "InSync");
        order.Add("b swap 4");
        a.See(12.2, 4, "b", "InSync");
        order.Add("a see 4");
        return order;

        void Begin(SessionId session, double at)
        {
            a.Session = b.Session = session;
            Say(a, at, "connected");
            Say(b, at + 0.003, "connected");
            a.Ready(at + 0.010, session);
            order.Add("a ready");
            b.Ready(at + 0.011, session);
            order.Add("b ready");
        }
    }

    private static void OneLife(Random random, int seed)
    {
        Teller[] nodes = [new(1, random.Next(-50, 50)), new(1, random.Next(-50, 50))];
        string[] names = ["a", "b"];
        List<string> order = [];
        double at = 0;
        uint attempt = 0;
        ulong term = 0;
        bool met = false;
        int number = 0;
        for (int step = 0; step < 60; step++)
        {
            at += 0.05 + random.NextDouble();
            int who = random.Next(2);
            switch (random.Next(met ? 5 : 1))
            {
                case 0: // A session: the only way to tell the clocks apart.
                    SessionId session = new(nodes[0].Epoch, nodes[1].Epoch, ++attempt, attempt);
                    for (int i = 0; i < 2; i++)
                    {
                        nodes[i].Session = session;
                        nodes[i].Ready(at + (i * 0.001), session);
                        order.Add($"{names[i]} ready");
                    }

                    met = true;
                    break;
                case 1:
                    nodes[who].Swap(at, ++term, names[who], "InSync");
                    order.Add($"{names[who]} swap {term}");
                    nodes[1 - who].See(at + 0.01, term, names[who], "InSync");
                    order.Add($"{names[1 - who]} see {term}");
                    break;
                case 2 when random.Next(3) == 0: // One reboots, and then there is a session.
                    nodes[who].Boot(nodes[who].Epoch + 1, nodes[who].Hours);
                    met = false;
                    break;
                default:
                    nodes[who].Say(at, $"event {++number}");
                    order.Add($"{names[who]} event {number}");
                    break;
            }
        }

        Story story = Story.Of("a", nodes[0].Events, "b", nodes[1].Events);
        Assert.True(
            order.SequenceEqual(story.Events.Select(of => $"{of.Node} {of.What.Text}")),
            $"another order in life {seed}:\n{string.Join("\n", order)}\n\nis told as\n"
            + string.Join("\n", story.Events.Select(of => $"{of.Node} {of.What.Text}")));
    }

    /// <summary>A node that hears of true time and writes down its own.</summary>
    private sealed class Teller(ulong epoch, double hours)
    {
        private readonly List<RecordedEvent> events = [];
        private long bootAt = -1_000 * Second;

        public IReadOnlyList<RecordedEvent> Events => events;

        public ulong Epoch { get; private set; } = epoch;

        public double Hours { get; private set; } = hours;

        public SessionId? Session { get; set; }

        public void Boot(ulong next, double itsHours)
        {
            (Epoch, Hours, Session) = (next, itsHours, null);
            bootAt += 77 * Second; // The monotonic clock starts elsewhere.
        }

        public void SetClock(double itsHours) => Hours = itsHours;

        public void Say(double at, string text, string name = "", ulong term = 0, string facts = "")
        {
            long micros = (long)(at * Second);
            events.Add(new RecordedEvent
            {
                Sequence = (ulong)events.Count + 1,
                Epoch = Epoch,
                Monotonic = (micros - bootAt) * 1000,
                Wall = 1_790_000_000 * Second + micros + (long)(Hours * 3600 * Second),
                Session = Session,
                Text = text,
                Name = name,
                Term = term,
                Group = term > 0 ? new GroupId(0) : null,
                Facts = facts,
            });
        }

        public void Ready(double at, SessionId session)
        {
            Session = session;
            Say(at, "ready", EventNames.SessionReady);
        }

        public void End(double at, SessionId session)
        {
            Session = session;
            Say(at, "ended", EventNames.SessionEnded);
            Session = null;
        }

        public void Swap(double at, ulong term, string owner, string sync) => Say(
            at, $"swap {term}", EventNames.RegisterSwapped, term, $"owner={owner};sync={sync}");

        public void See(double at, ulong term, string owner, string sync) => Say(
            at, $"see {term}", EventNames.RegisterSeen, term, $"owner={owner};sync={sync}");
    }
}
