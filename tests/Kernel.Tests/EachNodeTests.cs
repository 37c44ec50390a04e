using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;

namespace StorageOs.Kernel.Tests;

/// <summary>Commands that are for both nodes.</summary>
public sealed class EachNodeTests
{
    [Fact]
    public async Task A_node_that_fails_keeps_no_other_from_its_turn_and_every_failure_is_told()
    {
        List<string> tried = [];
        IReadOnlyList<Refusal> refusals = await EachNode.DoAsync(["a", "b", "c"], async name =>
        {
            tried.Add(name);
            await Task.Yield();
            if (name != "b")
            {
                throw new RefusedException(new Refusal("stop", "an answer", "none", "start it"));
            }
        });
        Assert.Equal(["a", "b", "c"], tried);
        Assert.Equal(
            [
                new Refusal("a: stop", "an answer", "none", "start it"),
                new Refusal("c: stop", "an answer", "none", "start it"),
            ],
            refusals);
    }
}
