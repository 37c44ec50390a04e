using StorageOs.Plugin.Testing;

namespace Greeter.Tests;

/// <summary>What this client does, on two nodes in virtual time.</summary>
public sealed class GreetingTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Both_hear_each_other_and_again_after_a_crash(ulong seed)
    {
        using ClientPair pair = new(static () => new GreeterPlugin(), seed);
        pair.Start();
        pair.Run(TimeSpan.FromMilliseconds(200));
        Assert.Contains("heard: hello from b", pair.First.Log);
        Assert.Contains("heard: hello from a", pair.Second.Log);

        pair.Second.Reboot(after: TimeSpan.FromMilliseconds(100));
        pair.Run(TimeSpan.FromMilliseconds(50));
        pair.AwaitReady();
        pair.Run(TimeSpan.FromMilliseconds(200));
        Assert.Equal(2, pair.First.Log.Count(static line => line == "heard: hello from b"));
        pair.Check();
    }
}
