using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace StorageOs.Pair.Tests;

/// <summary>The files that <c>config init</c> writes for two machines.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class ConfigInitTests
{
    private static readonly string[] Given =
        ["--a-address", "127.0.0.1", "--b-address", "127.0.0.2", "--transport", "tcp"];

    [Fact]
    public async Task A_pair_forms_of_what_was_answered_and_serves()
    {
        await using PairRun pair = new();
        string witness = Path.Combine(pair.Folder, "witness");
        Assert.Contains("another address or port than this node's", PairRun.StorageOs(
            "config", "init", "--into", pair.Folder, "--yes", "--transport", "tcp",
            "--a-address", "127.0.0.1", "--b-address", "127.0.0.1").Error);
        var (code, said, error) = PairRun.StorageOs(
            ["config", "init", "--into", pair.Folder, "--yes", .. Given,
            "--witness", witness, "--size", "64M"]);
        Assert.True(code == 0, said + error);
        Assert.Contains("storageos config check /etc/storageos/node.json", said);
        Assert.Contains($"ReadWritePaths={witness}", said);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite,
            File.GetUnixFileMode(Path.Combine(pair.Folder, "pair.key")));
        Assert.Contains("no such file yet", PairRun.StorageOs(
            ["config", "init", "--into", pair.Folder, "--yes", .. Given]).Error);

        _ = Directory.CreateDirectory(witness);
        string fast = Directory.CreateDirectory(Path.Combine(pair.Folder, "fast")).FullName;
        File.WriteAllText(Path.Combine(pair.Folder, "fast-folder"), fast); // As pair would.
        int port = FreePort();
        foreach (string node in new[] { "a", "b" })
        {
            Here(pair, node, port);
            pair.Boot(node);
        }

        await pair.InSyncAsync();
        pair.Compare(pair.WriteBytes(4 << 20));
        Assert.Equal("tcp", $"{pair.Node("a")["transport"]}");
    }

    [Fact]
    public void Somebody_new_is_asked_until_the_answers_are_good()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("storageos-init-");
        try
        {
            string answers = "alpha\n\n10.0.0.300\n10.0.0.1\n10.0.0.2\ntcp\n"
                + "http://10.0.0.5:2379\n10G\neth0\n192.0.2.10\n192.0.2.11\n";
            (int code, string said) = Answer(answers, folder.FullName);
            Assert.True(code == 0, said);
            Assert.Contains("address of the first node: expected an IP address", said);
            string b = File.ReadAllText(Path.Combine(folder.FullName, "b", "node.json"));
            Assert.Contains("\"name\": \"alpha\"", b); // Its partner.
            Assert.Contains("\"endpoints\": \"http://10.0.0.5:2379\"", b);
            Assert.Contains("\"interface\": \"eth0\"", b);
            Assert.Contains("  // The other one, as it is found", b);
            Assert.All(
                said.Split('\n').Where(static line => !line.StartsWith("wrote ")),
                static line => Assert.True(line.Length <= 80, line));
            Assert.Contains("found no further answers", Answer("a\nb\n", folder + "/x").Said);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The same, for this machine and this user.</summary>
    private static void Here(PairRun pair, string node, int port)
    {
        string folder = Path.Combine(pair.Folder, node);
        string text = File.ReadAllText(Path.Combine(folder, "node.json"))
            .Replace("/etc/storageos", pair.Folder, StringComparison.Ordinal)
            .Replace("\"pair.key\"", "\"../pair.key\"", StringComparison.Ordinal)
            .Replace("/run/storageos/manage.sock", "manage.sock", StringComparison.Ordinal)
            .Replace("/run/storageos", pair.Folder, StringComparison.Ordinal)
            .Replace("/var/lib/storageos", folder, StringComparison.Ordinal)
            .Replace("/dev/shm/storageos", folder + "/nvram", StringComparison.Ordinal)
            .Replace("268435456", $"{64 << 20}", StringComparison.Ordinal)
            .Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)
            .Replace("10809", $"{pair.Port}", StringComparison.Ordinal)
            .Replace("10810", $"{pair.Port + 1}", StringComparison.Ordinal)
            .Replace("7900", $"{port}", StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "config.json"), text);
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static (int Code, string Said) Answer(string answers, string into)
    {
        ProcessStartInfo start = new(PairRun.Kernel, ["config", "init", "--into", into])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        process.StandardInput.Write(answers);
        process.StandardInput.Close();
        string said = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, said);
    }
}
