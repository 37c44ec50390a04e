using System.Diagnostics;
using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>What an operator runs when asked what is wrong.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class SupportTests
{
    [Fact]
    public async Task A_doctor_judges_a_pair_and_a_bundle_has_all_but_secrets()
    {
        await using PairRun pair = new();
        pair.Start();
        JsonArray checks = Doctor(pair, 0);
        Assert.All(checks, static one => Assert.NotEqual("bad", $"{one!["verdict"]}"));
        string[] names = ["flush", "beats", "witness", "locked memory", "clock", "NVRAM", "session"];
        Assert.All(names, name => Assert.Contains(checks, one => $"{one!["check"]}" == name));
        var (_, text, _) = pair.Ask("doctor");
        Assert.All(text.Split('\n'), static line => Assert.True(line.Length <= 80, line));

        await pair.KillAsync("a");
        await PairRun.UntilAsync(() => pair.Session("b") != "Ready", "b is alone");
        checks = Doctor(pair, 3);
        Assert.Contains(checks, static one =>
            $"{one!["node"]} {one["check"]} {one["verdict"]}" == "b session bad");

        byte[] key = File.ReadAllBytes(Path.Combine(pair.Folder, "pair.key"));
        string log = Path.Combine(pair.Folder, "a", "log.txt");
        File.AppendAllText(log, $"key {Convert.ToHexStringLower(key)}, #token=0123456789abcdef\n");
        string file = Path.Combine(pair.Folder, "bundle.tar.gz");
        JsonNode said = JsonNode.Parse(
            pair.Ask("support-bundle", "--out", file, "-o", "json").Out)!;
        Assert.True(said["ok"]!.GetValue<bool>(), $"{said}");
        string whole = Unpacked(file);
        Assert.Contains("key (removed), #token=(removed)", whole, StringComparison.Ordinal);
        Assert.DoesNotContain("0123456789abcdef", whole, StringComparison.Ordinal);
        string[] has = [.. said["has"]!.AsArray().Select(static one => $"{one}")];
        string[] wanted =
        [
            "a/config.json", "a/log.txt", "a/status.json", "b/doctor.json", "b/process-limits.txt",
            "machine/meminfo.txt", "timeline.json", "version.txt",
        ];
        Assert.Empty(wanted.Except(has));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    private static JsonArray Doctor(PairRun pair, int code)
    {
        var (exit, said, error) = pair.Ask("doctor", "-o", "json");
        Assert.True(exit == code, $"{exit}: {said}{error}");
        return JsonNode.Parse(said)!["checks"]!.AsArray();
    }

    private static string Unpacked(string file)
    {
        using Process tar = Process.Start(new ProcessStartInfo("tar", ["xOzf", file])
        {
            RedirectStandardOutput = true,
        })!;
        string whole = tar.StandardOutput.ReadToEnd();
        tar.WaitForExit();
        Assert.Equal(0, tar.ExitCode);
        return whole;
    }
}
