using System.Net;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs;

namespace StorageOs.Transport.Tests;

/// <summary>What of the verbs transport needs no card; the rest runs in guests.</summary>
public sealed class VerbsTests
{
    private static readonly Greeting Sample = new(
        7471, 3, new QueuePairAddress(0x11, 0x22_3344, 16), 0x8000_1234_5678_9000, 0x100, 4096,
        0x200, 8192, 0x5000_0000_1000, 0x300);

    [Theory]
    [InlineData("10.9.0.1", "10.9.0.1", 0)]
    [InlineData("10.9.0.1#2", "10.9.0.1", 2)]
    [InlineData("::ffff:10.9.0.1", "10.9.0.1", 0)]
    [InlineData("0000:0000:0000:0000:0000:ffff:0a09:0001", "10.9.0.1", 0)]
    [InlineData("fe80::5054:ff:fe12:3456", "fe80::5054:ff:fe12:3456", 0)]
    public void Addresses_and_gids_are_read(string text, string address, int node) => Assert.Equal(
        new HardwareAddress(IPAddress.Parse(address), (ushort)node),
        HardwareAddress.Parse("test", text));

    [Theory]
    [InlineData("")]
    [InlineData("nowhere")]
    [InlineData("1")]
    [InlineData("10.9.0")]
    [InlineData("10.9.0.1#")]
    [InlineData("10.9.0.1#x")]
    [InlineData("10.9.0.1#65536")]
    [InlineData("fc:010203:")]
    public void Other_addresses_are_refused(string text) => Assert.Throws<RefusedException>(
        () => HardwareAddress.Parse("test", text));

    [Theory]
    [InlineData("paths", "10.9.0.1")]
    [InlineData("paths", "10.8.0.1>10.8.0.2")]
    [InlineData("paths", "10.9.0.1>10.9.0.2,")]
    [InlineData("ack-timeout", "9")]
    [InlineData("ack-timeout", "21")]
    [InlineData("ack-timeout", "soon")]
    [InlineData("persistent", "yes")]
    [InlineData("fabric", "/tmp")]
    public void Wrong_options_are_refused(string name, string value) =>
        Assert.Throws<RefusedException>(() => Options((name, value)));

    /// <summary>
    /// L6: a port without the option offers no flush, and the log would take its beat for one.
    /// </summary>
    [Fact]
    public void Level_power_without_persistent_is_refused_before_a_device_is_opened()
    {
        VerbsProvider provider = new(PersistenceLevel.Power);
        Refusal refusal = Assert.Throws<RefusedException>(() => provider.Open(
            new TransportSettings("10.9.0.1", new Dictionary<string, string>()),
            static () => { })).Refusal;
        Assert.Equal("transport option persistent", refusal.Subject);
        Assert.Contains("transport:options:persistent", refusal.Remedy, StringComparison.Ordinal);
        Options(("persistent", "true")).RequireLevel(PersistenceLevel.Power);
        Options().RequireLevel(PersistenceLevel.Process);
    }

    [Fact]
    public void Options_are_read()
    {
        VerbsOptions options = Options(
            ("paths", "10.9.0.1>10.9.0.2, 10.8.0.1>10.8.0.2"), ("ack-timeout", "17"),
            ("persistent", "true"));
        Assert.Equal(2, options.Paths.Count);
        Assert.Equal("10.8.0.2", options.Paths[1].Partner.ToString());
        Assert.Equal(17, options.AckTimeout);
        Assert.True(options.Persistent);
        Assert.Null(Assert.Single(Options().Paths).Partner);
    }

    [Fact]
    public void A_greeting_comes_through_padded()
    {
        byte[] bytes = Sample.Encode();
        Assert.Equal(56, bytes.Length);
        Assert.Equal(Sample, Greeting.Decode([.. bytes, 0, 0], 7471, 3, out Refusal? refusal));
        Assert.Null(refusal);
    }

    [Fact]
    public void Wrong_greetings_are_refused_with_what_was_expected()
    {
        byte[] good = Sample.Encode();
        Refuses("56 bytes", good[..55], 7471, 3);
        Refuses("magic", With(good, 0), 7471, 3);
        Refuses("version", With(good, 4), 7471, 3);
        Refuses("node 3 at port 1", good, 1, 3);
        Refuses("node 4 at port 7471", good, 7471, 4);
        Refuses("reads", With(good, 10), 7471, 3);

        static void Refuses(string expected, byte[] bytes, uint port, ushort node)
        {
            Assert.Null(Greeting.Decode(bytes, port, node, out Refusal? refusal));
            Assert.Contains(expected, refusal!.Expected, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_port_address_comes_through()
    {
        PortAddress address = new(new QueuePairAddress(5, 6, 7), 1UL << 63, (1UL << 63) | 9);
        byte[] bytes = address.Encode();
        Assert.Equal(address, PortAddress.Decode(bytes));
        Assert.Null(PortAddress.Decode(With(bytes, 0)));
        Assert.Null(PortAddress.Decode(With(bytes, 12)));
        Assert.Null(PortAddress.Decode(bytes.AsSpan(1)));
    }

    [Fact]
    public void Posts_are_handed_back_in_order_whoever_completes_them()
    {
        InFlight posts = new(4);
        posts.Add(10);
        posts.Add(11);
        posts.Add(12);
        posts.Add(13, CompletionStatus.PortClosed);
        Assert.True(posts.IsFull);
        Completion[] taken = new Completion[8];
        Assert.Equal(0, posts.Take(taken));
        posts.Resolve(1, CompletionStatus.Success); // Tells of the one before, too.
        Assert.Equal(2, posts.Take(taken));
        Assert.Equal(new Completion(10, CompletionStatus.Success), taken[0]);
        Assert.True(posts.AnyPending);
        Assert.False(posts.HasGivenUp);
        posts.ResolveRest(CompletionStatus.PartnerGone);
        posts.Resolve(2, CompletionStatus.Success); // Too late.
        Assert.False(posts.AnyPending);
        Assert.True(posts.HasGivenUp); // Not flushed: the card may be at it still.
        Assert.Equal(2, posts.Take(taken));
        Assert.Equal(new Completion(12, CompletionStatus.PartnerGone), taken[0]);
        Assert.Equal(new Completion(13, CompletionStatus.PortClosed), taken[1]);
        Assert.Equal(0, posts.Take(taken));
    }

    [Fact]
    public void Nothing_is_given_up_where_the_card_has_told_of_all()
    {
        InFlight posts = new(4);
        posts.Add(10);
        posts.Add(11, CompletionStatus.PortClosed);
        posts.Resolve(0, CompletionStatus.PortClosed);
        posts.ResolveRest(CompletionStatus.PortClosed);
        Assert.False(posts.HasGivenUp);
    }

    [Fact]
    public void A_machine_without_a_card_is_told_what_to_do()
    {
        if (Directory.Exists("/sys/class/infiniband")
            && Directory.GetFileSystemEntries("/sys/class/infiniband").Length > 0)
        {
            return; // This one has a card; the suite is for it.
        }

        VerbsProvider provider = new();
        Assert.Contains(provider.Inspect(), fact => !fact.Usable && fact.Remedy.Length > 0);
        RefusedException refused = Assert.Throws<RefusedException>(() => provider.Open(
            new TransportSettings("10.9.0.1", new Dictionary<string, string>()), static () => { }));
        Assert.NotEmpty(refused.Refusal.Remedy);
        Assert.Null(provider.SelfTest(
            new TransportSettings("", new Dictionary<string, string>())));
    }

    private static VerbsOptions Options(params (string Name, string Value)[] options) =>
        VerbsOptions.Parse(new TransportSettings(
            "10.9.0.1", options.ToDictionary(o => o.Name, o => o.Value)));

    private static byte[] With(byte[] bytes, int changed)
    {
        byte[] copy = [.. bytes];
        copy[changed] ^= 0xff;
        return copy;
    }
}
