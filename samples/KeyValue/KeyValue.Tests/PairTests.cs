using StorageOs.Plugin.Testing;

namespace Sample.KeyValue.Tests;

/// <summary>Both nodes in virtual time, with applications that write on both.</summary>
public sealed class PairTests
{
    private Writer writer = new();

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 20).Select(n => (ulong)n)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Nothing_acknowledged_is_lost_by_crashes_pauses_and_lost_sessions(ulong seed)
    {
        using ClientPair pair = NewPair(seed, "refuse");
        Begin(pair);
        for (int round = 0; round < 15; round++)
        {
            pair.Run(TimeSpan.FromMilliseconds(pair.Below(60)));
            ClientNode node = pair.Below(2) == 0 ? pair.First : pair.Second;
            TimeSpan soon = TimeSpan.FromMilliseconds(1 + pair.Below(20));
            switch (pair.Below(5))
            {
                case 0: node.Reboot(soon); break;
                case 1: node.Pause(ClientPair.BeatLimit + soon); break;
                case 2: pair.Disconnect(); break;
                case 3:
                    pair.First.Reboot(soon);
                    pair.Second.Reboot(soon * 2);
                    break;
                default: break;
            }
        }

        Settle(pair);
        Assert.False(writer.HaveDiffered);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Whichever_node_is_lost_the_other_has_all_that_was_acknowledged(ulong seed)
    {
        using ClientPair pair = NewPair(seed, "refuse");
        Begin(pair);
        pair.Run(TimeSpan.FromMilliseconds(50 + pair.Below(200)));
        (ClientNode lost, ClientNode left) =
            seed % 2 == 0 ? (pair.First, pair.Second) : (pair.Second, pair.First);
        if (seed % 4 < 2)
        {
            left.Crash(); // What it was sent it finds in its memory, taken or not.
            left.Start();
        }

        lost.Crash();
        pair.RunUntil(
            () => left.HasStarted && writer.Nodes[left.Name].Replica.State is MapState.Apart,
            TimeSpan.FromSeconds(10), "the loss to be noticed");
        writer.Check(writer.Nodes[left.Name].Store);
        pair.Check();
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Who_goes_on_alone_is_continued_whatever_crashes(ulong seed)
    {
        using ClientPair pair = NewPair(seed, "alone");
        Begin(pair);
        for (int round = 0; round < 15; round++)
        {
            pair.Run(TimeSpan.FromMilliseconds(pair.Below(80)));
            TimeSpan soon = TimeSpan.FromMilliseconds(1 + pair.Below(60));
            (pair.Below(2) == 0 ? pair.First : pair.Second).Reboot(soon);
            if (pair.Below(4) == 0)
            {
                pair.First.Reboot(soon);
                pair.Second.Reboot(soon * 2);
            }
        }

        Settle(pair);
        Assert.False(writer.HaveDiffered); // One that crashed has never gone on beside the other.
    }

    [Fact]
    public void Alone_one_node_takes_writes_and_refused_nobody_does()
    {
        Assert.Equal(0, AcknowledgedAfterTheLossOfOne("refuse"));
        Assert.NotEqual(0, AcknowledgedAfterTheLossOfOne("alone"));
    }

    [Theory]
    [InlineData(1, "a")]
    [InlineData(2, "b")]
    [InlineData(3, "b")]
    [InlineData(4, "a")]
    public void Maps_that_differ_are_said_to_until_an_operator_chooses(ulong seed, string chosen)
    {
        using ClientPair pair = NewPair(seed, "alone");
        Begin(pair);
        pair.First.Pause(TimeSpan.FromMilliseconds(200)); // Each writes while it has lost the other.
        pair.RunUntil(() => writer.HaveDiffered, TimeSpan.FromSeconds(30), "both to differ");
        pair.Run(TimeSpan.FromSeconds(1));
        int before = writer.Acknowledged;
        pair.First.Reboot(TimeSpan.FromMilliseconds(5)); // It is not forgotten.
        pair.RunUntil(() => pair.First.HasStarted, TimeSpan.FromSeconds(10), "its start");
        pair.AwaitReady();
        pair.Run(TimeSpan.FromSeconds(1));
        Assert.All(
            writer.Nodes.Values, node => Assert.Equal(MapState.Differing, node.Replica.State));
        Assert.All(
            writer.Nodes.Values, node => Assert.StartsWith("DIFFERS", node.Replica.MayNotServe()));
        Assert.Equal(before, writer.Acknowledged);

        writer.Pauses = true;
        string[] kept = [.. Lines(writer.Nodes[chosen].Store)];
        writer.Nodes[chosen].Replica.Keep();
        AwaitTogether(pair);
        Assert.All(writer.Nodes.Values, node => Assert.Equal(kept, Lines(node.Store)));
        writer.Pauses = false;
        pair.RunUntil(
            () => writer.Acknowledged > before, TimeSpan.FromSeconds(10), "writes to go on");
        pair.Check();
    }

    private int AcknowledgedAfterTheLossOfOne(string withoutPartner)
    {
        writer = new();
        using ClientPair pair = NewPair(1, withoutPartner);
        Begin(pair);
        pair.First.Crash();
        pair.RunUntil(
            () => writer.Nodes["b"].Replica.State is MapState.Apart,
            TimeSpan.FromSeconds(10), "the loss to be noticed");
        int before = writer.Acknowledged;
        pair.Run(TimeSpan.FromMilliseconds(100));
        return writer.Acknowledged - before;
    }

    private static IEnumerable<string> Lines(Store store) => store.Map
        .Select(static entry => $"{entry.Key}={Convert.ToHexString(entry.Value)}").Order();

    private ClientPair NewPair(ulong seed, string withoutPartner) => new(
        () => new WrittenPlugin(writer), seed,
        new() { Settings = new Dictionary<string, string?>
        {
            ["withoutPartner"] = withoutPartner,
        } });

    private void Begin(ClientPair pair)
    {
        pair.Start();
        int before = writer.Acknowledged;
        pair.RunUntil(
            () => writer.Acknowledged > before, TimeSpan.FromMinutes(1),
            "the first write to be acknowledged");
    }

    private void Settle(ClientPair pair)
    {
        writer.Pauses = true;
        pair.Run(TimeSpan.FromMilliseconds(500));
        pair.AwaitReady();
        AwaitTogether(pair);
        writer.Check(writer.Nodes["a"].Store);
        Assert.Equal(Lines(writer.Nodes["a"].Store), Lines(writer.Nodes["b"].Store));
        pair.Check();
    }

    private void AwaitTogether(ClientPair pair) => pair.RunUntil(
        () => writer.Nodes.Values.All(static node =>
            node.Replica.State is MapState.Together)
            && writer.Nodes["a"].Store.History.Count == writer.Nodes["b"].Store.History.Count,
        TimeSpan.FromSeconds(60), "both to be together");
}
