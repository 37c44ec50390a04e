using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Pair.Tests;

/// <summary>A pair that is asked as one on other machines is: by its HTTP API, over TLS.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class RemoteTests
{
    [Fact]
    public async Task The_same_commands_reach_nodes_of_other_machines()
    {
        await using PairRun pair = new() { WebPort = DrillCommand.FreePorts() };
        string certificate = WithTls(pair);
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        string away = Path.Combine(pair.Folder, "away");
        string[] remote =
        [
            "remote", "--a", $"https://127.0.0.1:{pair.WebPort}",
            "--b", $"https://127.0.0.1:{pair.WebPort + 1}",
            "--token", Path.Combine(pair.Folder, "operator.token"), "--dir", away,
        ];
        var (code, _, error) = PairRun.StorageOs(remote);
        Assert.Equal(1, code); // Nobody the system trusts has signed for it.
        Assert.Contains("certificate", error, StringComparison.OrdinalIgnoreCase);
        Assert.False(Directory.Exists(away));

        string[] trusting = [.. remote, "--trust", certificate];
        await PairRun.UntilAsync(() => PairRun.StorageOs(trusting).Code == 0, "both answer");
        await PairRun.UntilAsync(() => Ask(away, "status").Code == 0, "all is well");
        JsonNode status = JsonNode.Parse(Ask(away, "status", "-o", "json").Out)!;
        Assert.Equal("a b", string.Join(' ', status["nodes"]!.AsArray()
            .Select(static node => $"{node!["name"]}")));

        Assert.Contains("b could take group 0", Ask(away, "takeover", "--check").Out);
        Assert.StartsWith("b serves group 0 in", Ask(away, "takeover", "--node", "b").Out);
        Assert.Equal("b b", pair.Owners("b"));
        await pair.InSyncAsync();
        Assert.Equal(0, Ask(away, "giveback").Code);
        Assert.Equal("a b", pair.Owners("a"));

        Assert.Contains("session-ready", Ask(away, "events").Out);
        Assert.Contains("no write was answered", Ask(away, "trace", "--timeout", "200ms").Out);
        Assert.Contains("nodes on other machines", Ask(away, "stop", "a").Error);
        Assert.Contains("nodes on other machines", Ask(away, "start", "a").Error);
        Assert.Contains("one that it has not", Ask(away, "witness", "move").Error);
        await pair.KillAsync("a");
        await PairRun.UntilAsync(
            () => JsonNode.Parse(Ask(away, "status", "-o", "json").Out)!["nodes"]![0]!["phase"]!
                .GetValue<string>() == "Unreachable", "a is gone");
        Assert.Equal(3, Ask(away, "doctor").Code);
    }

    [Fact]
    public void A_token_is_sent_to_no_other_machine_in_the_clear()
    {
        var (code, _, error) = PairRun.StorageOs(
            "remote", "--a", "http://10.0.0.1:8441", "--b", "http://10.0.0.2:8441",
            "--token", "none", "--dir", Path.GetTempPath() + "/none");
        Assert.Equal(1, code);
        Assert.Contains("expected https, for a token is sent with each request", error);
    }

    private static (int Code, string Out, string Error) Ask(
        string directory, params string[] arguments) =>
        PairRun.StorageOs([.. arguments, "--dir", directory]);

    private static string WithTls(PairRun pair)
    {
        pair.Make();
        (string certificate, string key) = pair.MakeCertificate("node");
        foreach (string node in new[] { "a", "b" })
        {
            pair.Configure(node, settings =>
            {
                JsonNode its = settings["plugins"]!["settings"]!["management"]!;
                its["certificate"] = certificate;
                its["certificateKey"] = key;
            });
        }

        return certificate;
    }
}
