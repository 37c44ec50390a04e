using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Tests;
using StorageOs.Pair.Tests;

namespace StorageOs.Dashboard.Tests;

/// <summary>
/// A pair of processes that serve the page, with a module that vetoes moves while a file is there.
/// </summary>
public sealed class WebPair : IAsyncLifetime
{
    /// <summary>What the veto says; made to become HTML if the page lets it.</summary>
    internal const string Why = "a copy is being made <b id='planted'>of it</b>";

    private const string Viewer = "a-token-of-one-who-looks";
    private const int ResyncBytesPerSecond = 3 << 20;

    internal PairRun Pair { get; } = new() { WebPort = DrillCommand.FreePorts() };

    internal string Operator => File.ReadAllText(
        Path.Combine(Pair.Folder, "operator.token")).Trim();

    private string Mark => Path.Combine(Path.GetDirectoryName(Pair.Folder)!, "busy");

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        PluginBuilder.Put(Pair.Plugins, "backup", PluginBuilder.Vetoing("backup", Mark, Why));
        Pair.Make(Pair.Plugins);
        foreach (string node in new[] { "a", "b" })
        {
            // Slow enough to be looked at.
            Pair.Configure(node, settings => settings["plugins"]!["settings"]!["volumes"]!["resync"]
                = new JsonObject
                {
                    ["bytesPerSecond"] = ResyncBytesPerSecond,
                    ["bytesPerSecondWithClients"] = ResyncBytesPerSecond,
                });
        }

        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Viewer)));
        await File.AppendAllTextAsync(
            Path.Combine(Pair.Folder, "tokens"), $"viewer somebody {hash}\n");
        _ = Pair.Boot("a");
        _ = Pair.Boot("b");
        await Pair.InSyncAsync();
    }

    /// <summary>Who owns a group, as its owner knows it.</summary>
    internal string Owner(int group) => Pair.Owners("b").Split(' ')[group];

    /// <summary>Address of a node's page.</summary>
    internal string Origin(string node) =>
        $"http://127.0.0.1:{Pair.WebPort + (node == "a" ? 0 : 1)}";

    /// <summary>The page of a node, for an operator.</summary>
    internal string Page(string node = "a") => $"{Origin(node)}/#token={Operator}";

    /// <summary>The same for one who may only look.</summary>
    internal string ViewersPage => $"{Origin("a")}/#token={Viewer}";

    /// <summary>Both groups at home, in sync, and nothing against a move.</summary>
    internal async Task AtHomeAsync()
    {
        await VetoAsync(false);
        await Pair.InSyncAsync();
        if (Pair.Owners("a") != "a b")
        {
            Assert.Equal(0, Pair.Ask("giveback").Code);
        }

        await PairRun.UntilAsync(
            () => Pair.Owners("a") == "a b" && Pair.Owners("b") == "a b" && MayMove("a")
                && MayMove("b"), "both groups are at home");
    }

    /// <summary>Has the module on a begin or end its veto, and b know of it.</summary>
    internal async Task VetoAsync(bool begin)
    {
        if (begin)
        {
            await File.WriteAllTextAsync($"{Mark}-a", "");
        }
        else
        {
            File.Delete($"{Mark}-a");
        }

        await PairRun.UntilAsync(() => MayMove("b") != begin, "b knows of the veto");
    }

    /// <inheritdoc/>
    public async Task DisposeAsync() => await Pair.DisposeAsync();

    private bool MayMove(string node) =>
        Pair.Node(node)["takeover"]?["planned"]?.GetValue<bool>() == true;
}
