using System.Diagnostics;
using StorageOs.Kernel.Tests;

namespace StorageOs.Pair.Tests;

/// <summary>
/// A plugin without which its node is not to go on: its failure is the partner's takeover, and not
/// for ever.
/// </summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class CriticalPluginTests
{
    [Fact]
    public async Task A_node_whose_critical_plugin_fails_stops_and_its_partner_takes_over()
    {
        await using PairRun pair = new();
        string mark = Path.Combine(Path.GetDirectoryName(pair.Folder)!, "fail");
        string source = PluginBuilder.ClientPlugin("acme.gate", $$"""
            reactor.Every(TimeSpan.FromMilliseconds(20), () =>
            {
                if (System.IO.File.Exists("{{mark}}-" + node.Name))
                {
                    System.IO.File.Delete("{{mark}}-" + node.Name);
                    throw new InvalidOperationException("the gate has fallen");
                }
            });
            return default;
            """).Replace(
                "TheClient(IReactor reactor)", "TheClient(IReactor reactor, NodeInfo node)",
                StringComparison.Ordinal);
        PluginBuilder.Put(pair.Plugins, "acme.gate", source, more: ", \"critical\": true");
        pair.Make(pair.Plugins);
        pair.Boot("b");
        for (int failure = 1; failure <= 3; failure++)
        {
            Process a = pair.Boot("a");
            await pair.InSyncAsync();
            await PairRun.UntilAsync(() => pair.Client("a", "acme.gate") == "Ready", "it runs");
            File.WriteAllText($"{mark}-a", "");
            await a.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
            Assert.NotEqual(0, a.ExitCode); // For whoever starts it again.
            await PairRun.UntilAsync(() => pair.Owners("b") == "b b", "b has both");
            Assert.Contains(
                "acme.gate has failed, and this node does not go on without it", pair.Log("a"));
        }

        // Three times in five minutes: the node comes up without it, and says why.
        pair.Boot("a");
        await pair.InSyncAsync();
        Assert.Contains("malfunctioned", pair.Ask("plugin", "list").Out);
        Assert.Contains("the gate has fallen", pair.Reason("a", "acme.gate"));
    }
}
