using System.Security.Cryptography;
using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Pair.Tests;

namespace StorageOs.Packages.Tests;

/// <summary>
/// The package in a Debian root. Node <c>a</c> is the package's service; its partner <c>b</c> runs
/// from the tarball beside it.
/// </summary>
[Trait("Category", "Slow")]
public sealed class PackageTests : IDisposable
{
    private const string Config = "/etc/storageos/node.json";
    private const string Data = "/var/lib/storageos/data";
    private const string Socket = "/run/storageos/manage.sock";

    private readonly DebianRoot root = new();
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("package-test-");
    private readonly int port = DrillCommand.FreePorts();

    public void Dispose()
    {
        root.Dispose();
        folder.Delete(recursive: true);
    }

    [Fact]
    public void It_installs_files_a_user_and_a_unit_that_holds_the_node_in()
    {
        Install(Built.First);
        Assert.Equal("", root.Must("dpkg", "-V", "storageos"));
        Assert.StartsWith("0.", root.Must("storageos", "--version"));
        Assert.Contains("(storageos)", root.Must("id", "storageos"));
        Assert.Equal("750 root storageos", root.Must("stat", "-c", "%a %U %G", "/etc/storageos"));
        Assert.Equal(
            "750 storageos storageos", root.Must("stat", "-c", "%a %U %G", "/var/lib/storageos"));
        Assert.NotEqual("", root.Must("ls", "/usr/share/man/man1/storageos.1.gz"));
        Assert.Equal("", root.Must("systemd-analyze", "verify", "--man=no", "storageos.service"));
        Assert.Equal("enabled", root.Must("systemctl", "is-enabled", "storageos"));
        (int code, string said) = root.Run(
            "systemd-analyze", "security", "--offline=true", "--threshold=30",
            "storageos.service");
        Assert.True(code == 0, said);

        // One that is not held in would be told from it.
        Assert.NotEqual(0, root.Run(
            "systemd-analyze", "security", "--offline=true", "--threshold=30",
            "systemd-update-utmp.service").Code);
    }

    [Fact]
    public async Task A_pair_of_it_serves_is_upgraded_and_keeps_what_is_its_own()
    {
        Install(Built.First);
        await StartPairAsync();
        string file = Path.Combine(folder.FullName, "bytes");
        File.WriteAllBytes(file, RandomNumberGenerator.GetBytes(8 << 20));
        Copy(file, Uri);
        string before = root.Must("cat", Config);
        string pid = root.Must("cat", "/run/node.pid");
        RefusesABadConfiguration(pid, file);
        GoesBackWhenTheNewOneDoesNotStart(pid);
        await UntilAsync("both in sync", InSync);
        GoesBackWhenAPluginDoesNotLoad();
        await UntilAsync("both in sync", InSync);

        _ = root.Must("dpkg", "--configure", "storageos");
        Assert.Equal(Built.Newer, Running());
        Assert.Equal(
            root.Must("readlink", "/usr/lib/storageos/current"),
            $"versions/{root.Must("ls", "/usr/lib/storageos/versions")}");
        Assert.Equal(
            $"{{\n  \"version\": 1,{before[1..]}", root.Must("cat", Config));
        Assert.Equal(before, root.Must("cat", Config + ".version-0"));
        Assert.Equal(
            "640 root storageos\n640 root storageos",
            root.Must("stat", "-c", "%a %U %G", Config, Config + ".version-0"));
        await UntilAsync("both in sync", InSync);
        Compare(file);
        await UntilAsync("the watchdog is fed", () => Told().Contains("WATCHDOG=1"));
        Assert.Contains("STATUS=serving", Told());
        await StaysWhereItIsWithoutAPartnerAsync();

        _ = root.Must("dpkg", "-r", "storageos");
        Assert.Contains("STOPPING=1", Told());
        Assert.Equal("ENDED", Told()[^1]);
        Assert.EndsWith(before[1..], root.Must("cat", Config), StringComparison.Ordinal);
        Assert.EndsWith(
            before[1..], root.Must("cat", Config + ".previous"), StringComparison.Ordinal);
        _ = root.Must("test", "-d", Data);
        Assert.NotEqual(0, root.Run("test", "-e", "/usr/lib/storageos").Code);
        await UntilAsync("b serves alone",
            () => $"{VolumeOf(Status("/srv/b/manage.sock"))?["state"]}" == "alone");
        Compare(file);
        _ = root.Must("sh", "-c", $"kill {Status("/srv/b/manage.sock")!["pid"]}");
        _ = root.Must("dpkg", "-P", "storageos");
        Assert.NotEqual(0, root.Run("test", "-e", "/etc/storageos").Code);
        Assert.NotEqual(0, root.Run("test", "-e", "/var/lib/storageos").Code);
        Assert.NotEqual(0, root.Run("id", "storageos").Code);
    }

    private string Uri => $"nbd://127.0.0.1:{port}/vol0";

    /// <summary>What the configuration lacks is said before anything is touched.</summary>
    private void RefusesABadConfiguration(string pid, string file)
    {
        _ = root.Must("sed", "-i", "s/\"persistence\"/\"persistance\"/", Config);
        root.Put(Built.Second.Package, "/root/newer.deb");
        (int code, string said) = root.Run("dpkg", "-i", "/root/newer.deb");
        Assert.NotEqual(0, code);
        Assert.Contains(
            $"{Config}, key node:persistance: expected a key that docs/CONFIGURATION.md lists, found "
            + "an unknown key", said);
        Assert.Contains("9.0.0 is unpacked but not in use, and what runs goes on", said);
        Assert.Equal(pid, root.Must("cat", "/run/node.pid"));
        Assert.Equal(Built.First.Version, Running());
        Assert.StartsWith(
            $"versions/{Built.First.Version}-", root.Must("readlink", "/usr/lib/storageos/current"));
        Compare(file);
        _ = root.Must("sed", "-i", "s/\"persistance\"/\"persistence\"/", Config);
    }

    private void GoesBackWhenTheNewOneDoesNotStart(string pid)
    {
        string before = root.Must("cat", Config);
        _ = root.Must("sh", "-c", $"printf {Built.Newer} >/run/refused");
        (int code, string said) = root.Run("dpkg", "--configure", "storageos");
        Assert.NotEqual(0, code);
        Assert.Contains("9.0.0 did not start, see journalctl -u storageos; going back", said);
        Assert.NotEqual(pid, root.Must("cat", "/run/node.pid"));
        Assert.Equal(Built.First.Version, Running());
        Assert.Equal(before, root.Must("cat", Config));
        _ = root.Must("rm", "/run/refused");
    }

    /// <summary>That it answers is not enough: the version before had its volumes exported.</summary>
    private void GoesBackWhenAPluginDoesNotLoad()
    {
        string before = root.Must("cat", Config);
        string version = root.Must("sh", "-c", $"ls -d /usr/lib/storageos/versions/{Built.Newer}-*");
        string plugin = $"{version}/plugins/NbdExport/StorageOs.NbdExport.dll";
        _ = root.Must("sh", "-c", $"rm {plugin} && echo no code >{plugin}");
        (int code, string said) = root.Run("dpkg", "--configure", "storageos");
        Assert.NotEqual(0, code);
        Assert.Contains("9.0.0 did not start, see journalctl -u storageos; going back", said);
        Assert.Contains("nbd-export is Refused", said);
        Assert.Equal(Built.First.Version, Running());
        Assert.Equal(before, root.Must("cat", Config));
        _ = root.Must("rm", "-r", version);
    }

    /// <summary>Its users would have nobody: the other version waits for a restart.</summary>
    private async Task StaysWhereItIsWithoutAPartnerAsync()
    {
        JsonNode partner = Status("/srv/b/manage.sock")!;
        _ = root.Must("sh", "-c", $"kill {partner["pid"]}");
        await UntilAsync("a serves alone",
            () => $"{VolumeOf(Status(Socket))?["state"]}" == "alone");
        (int code, string said) = root.Run("storageos", "node", "can-stop");
        Assert.True(code == 3, said);
        Assert.Contains("vol0 has no other good copy: it is", said);
        string pid = root.Must("cat", "/run/node.pid");
        said = root.Must("dpkg", "-i", "/root/first.deb");
        Assert.Contains("what runs goes on, for users would lose it: vol0 has no other", said);
        Assert.Equal(pid, Pid());
        Assert.Equal(Built.Newer, Running());
        _ = root.Must("test", "-e", Config + ".before");
        StartPartner();
        await UntilAsync("both in sync", InSync);
        Assert.Equal("it can be stopped", root.Must("storageos", "node", "can-stop"));
        _ = root.Must("systemctl", "restart", "storageos.service");
        Assert.Equal("it is up", root.Must("storageos", "node", "is-up"));
        Assert.Equal(Built.First.Version, Running());
        await UntilAsync("both in sync", InSync);
    }

    private void Install(Built built)
    {
        root.Put(built.Package, "/root/first.deb");
        string said = root.Must("dpkg", "-i", "/root/first.deb");
        Assert.Contains("write /etc/storageos/node.json", said);
    }

    /// <summary>The package's example with the addresses of this machine, and its mirror.</summary>
    private async Task StartPairAsync()
    {
        string example = root.Must("cat", "/usr/share/doc/storageos/examples/node.json")
            .Replace("  \"version\": 1,\n", "", StringComparison.Ordinal)
            .Replace("\"192.0.2.2\"", "\"127.0.0.2\"", StringComparison.Ordinal)
            .Replace("\"192.0.2.1\"", "\"127.0.0.1\"", StringComparison.Ordinal)
            .Replace("7900", $"{port + 2}", StringComparison.Ordinal)
            .Replace($"{Guid.Empty}", $"{Guid.NewGuid()}", StringComparison.Ordinal)
            .Replace("268435456", $"{64 << 20}", StringComparison.Ordinal)
            .Replace("10737418240", $"{64 << 20}", StringComparison.Ordinal)
            .Replace("            \"interface\": \"eth0\",\n", "", StringComparison.Ordinal)
            .Replace("/run/storageos/address", "/srv/address", StringComparison.Ordinal)
            .Replace("/mnt/witness", "/srv/witness", StringComparison.Ordinal) + "\n";
        foreach (int group in new[] { 0, 1 })
        {
            example = example.Replace(
                $"\"192.0.2.1{group}\",\n            \"port\": {10809 + group}",
                $"\"127.0.0.1\",\n            \"port\": {port + group}",
                StringComparison.Ordinal);
        }

        string key = Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
        _ = root.Must("install", "-d", "-o", "storageos", "/srv/witness", "/srv/b",
            "/srv/address");
        root.Write("/etc/storageos/pair.key", key, "storageos", "600");
        root.Write("/srv/b/pair.key", key, "storageos", "600");
        root.Write(Config, example, "root:storageos", "640");
        root.Write("/srv/b/node.json", Mirrored(example), "storageos", "600");

        root.Put(Built.First.Tarball, "/root/first.tar.gz");
        _ = root.Must("tar", "-xf", "/root/first.tar.gz", "-C", "/opt");
        string program = $"/opt/{Built.First.Folder}/bin/storageos";
        Assert.StartsWith("0.", root.Must(program, "--version"));
        StartPartner();
        _ = root.Must("systemctl", "start", "storageos.service");
        await UntilAsync("both in sync", InSync);
        Assert.Equal("storageos", root.Must("stat", "-c", "%U", $"/proc/{Pid()}"));
    }

    private void StartPartner() => root.Leave(
        "/srv/b/log.txt", "setpriv", "--reuid=storageos", "--regid=storageos", "--init-groups",
        $"/opt/{Built.First.Folder}/bin/storageos", "boot", "--config", "/srv/b/node.json");

    private static string Mirrored(string example)
    {
        JsonObject ours = JsonNode.Parse(
            example, null, new() { CommentHandling = System.Text.Json.JsonCommentHandling.Skip })!
            .AsObject();
        JsonNode node = ours["node"]!;
        JsonNode partner = ours["partner"]!;
        foreach (string key in (string[])["name", "systemId"])
        {
            (node[key], partner[key]) = (partner[key]!.DeepClone(), node[key]!.DeepClone());
        }

        JsonNode transport = ours["transport"]!;
        (transport["address"], partner["address"]) =
            (partner["address"]!.DeepClone(), transport["address"]!.DeepClone());
        transport["options"]!["keyFile"] = "/srv/b/pair.key";
        node["dataDirectory"] = "data";
        node["nvramDirectory"] = "/dev/shm/storageos-b";
        ours["management"]!["socket"] = "manage.sock";
        return ours.ToJsonString();
    }

    private bool InSync()
    {
        JsonNode?[] both =
            [VolumeOf(Status(Socket)), VolumeOf(Status("/srv/b/manage.sock"))];
        return both.All(static volume => $"{volume?["sync"]}" == "InSync")
            && both.Count(static volume => $"{volume!["served"]}" == "true") == 1;
    }

    private JsonNode? Status(string socket) => JsonNode.Parse(root.Run(
        $"/opt/{Built.First.Folder}/bin/storageos", "status", "--socket", socket, "-o", "json")
        .Said)!["nodes"]![0];

    private static JsonNode? VolumeOf(JsonNode? node) =>
        (node?["volumes"] as JsonArray)?.FirstOrDefault();

    private string Pid() => root.Must("cat", "/run/node.pid");

    /// <summary>The version that the service's process runs.</summary>
    private string Running()
    {
        string program = root.Must("readlink", $"/proc/{Pid()}/exe");
        string[] parts = program[program.IndexOf("/versions/", StringComparison.Ordinal)..]
            .Split('/');
        return parts[2].Split('-')[0];
    }

    private string[] Told() => root.Must("cat", "/run/notify.log").Split('\n');

    private async Task UntilAsync(string what, Func<bool> holds)
    {
        try
        {
            await PairRun.UntilAsync(holds, what);
        }
        catch (Xunit.Sdk.TrueException failure)
        {
            Assert.Fail($"{failure.Message}\n{Status(Socket)}\n{root.Run("cat", "/run/node.log")}"
                + $"\n{root.Run("cat", "/srv/b/log.txt")}");
        }
    }

    private static void Copy(string from, string to)
    {
        var (code, output, error) = PairRun.Run("nbdcopy", from, to);
        Assert.True(code == 0, output + error);
    }

    private void Compare(string file)
    {
        Copy(Uri, file + ".back");
        byte[] wanted = File.ReadAllBytes(file);
        Assert.True(
            wanted.AsSpan().SequenceEqual(
                File.ReadAllBytes(file + ".back").AsSpan(0, wanted.Length)),
            "other bytes than were written");
    }
}
