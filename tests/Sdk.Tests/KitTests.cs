using StorageOs.Plugin.Testing;
using Xunit.Sdk;

namespace StorageOs.Sdk.Tests;

/// <summary>A good client passes.</summary>
public sealed class GoodClientTests : ClientKit<TalkPlugin>
{
    protected override ClientPairOptions Options => new()
    {
        Settings = new Dictionary<string, string?> { ["disk"] = "slow" },
    };
}

/// <summary>Each kind of flaw is found, by the case that it belongs to.</summary>
public sealed class KitTests
{
    [Theory]
    [InlineData("needs", "Assert.Equal() Failure")]
    [InlineData("name", "is no name of 1 to 48 letters")]
    [InlineData("ports", "Assert.InRange() Failure")]
    [InlineData("throws", "threw InvalidOperationException: not today")]
    [InlineData("lost", "posted a write on port words after PartnerLost")]
    [InlineData("timer", "has 1 timer left after StopAsync")]
    [InlineData("hangs", "did not come within 00:00:06: a's stop")]
    [InlineData("grant", "posted a write on port words of 512 bytes at 4096, of 4096 granted")]
    [InlineData("align", "posted a word on port words to 4, which is not aligned")]
    [InlineData("beyond", "wrote beyond its region own")]
    [InlineData("thread", "off its reactor")]
    [InlineData("unload", "its load context is still in use")]
    public void A_flaw_is_found(string flaw, string said)
    {
        Kit kit = new(flaw);
        Action run = flaw switch
        {
            "needs" or "name" or "ports" => kit.Needs_are_constant_and_such_as_can_be_met,
            "lost" => kit.Goes_on_after_a_lost_session_and_posts_nothing_after_it,
            "unload" => kit.Can_be_unloaded_after_it_has_run,
            _ => kit.Stops_in_time_and_leaves_nothing_running,
        };
        XunitException found = Assert.ThrowsAny<XunitException>(run);
        Assert.Contains(said, found.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_seed_is_one_story()
    {
        Assert.Equal(Story(3), Story(3));
        Assert.NotEqual(Story(3), Story(4));

        static string Story(ulong seed)
        {
            using ClientPair pair = new(static () => new TalkPlugin(), seed);
            pair.Start();
            pair.Second.Reboot(TimeSpan.FromMilliseconds(7));
            pair.Run(TimeSpan.FromMilliseconds(5));
            pair.AwaitReady();
            return $"{pair.Now}";
        }
    }

    private sealed class Kit(string flaw) : ClientKit<TalkPlugin>
    {
        protected override ClientPairOptions Options => new()
        {
            Settings = new Dictionary<string, string?> { ["flaw"] = flaw },
        };
    }
}
