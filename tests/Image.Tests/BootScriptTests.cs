namespace StorageOs.Image.Tests;

/// <summary>
/// Scripts of the boot on a machine that is a folder: its devices and what it says are files.
/// </summary>
[Trait("Category", "Slow")]
public sealed class BootScriptTests : IDisposable
{
    private const string Scripts = "image/root/etc/storageos";
    private const string Fresh =
        """[ { "dev": "namespace0.0", "mode": "raw", "size": 1, "blockdev": "pmem0" } ]""";

    // What is asked of it beside a list is written down.
    private const string Ndctl = """
        #!/bin/sh
        case "$*" in
          "list -R"*) echo '[ { "dev": "region0", "type": "pmem" } ]' ;;
          list*) cat ROOT/namespaces ;;
          *) echo "$*" >>ROOT/asked ;;
        esac
        """;

    private readonly string root = Directory.CreateTempSubdirectory("machine-").FullName;

    public BootScriptTests()
    {
        foreach (string folder in new[] { "bin", "dev", "run/log", "state", "etc" })
        {
            Directory.CreateDirectory(Path.Combine(root, folder));
        }

        Tool("modprobe", "#!/bin/sh");
        Tool("ndctl", Ndctl.Replace("ROOT", root, StringComparison.Ordinal));
        Put("state/config.json", """{ "machine": { "nvram": "pmem" } }""");
        Put("asked", "");
        Put("dev/kmsg", "");
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public void A_partition_is_found_by_its_whole_name()
    {
        Partition("sda1", "storageos-state");
        Partition("sdb1", "storageos-state-old");
        Partition("sdc1", "storageosXstate");
        Assert.Equal((0, $"{root}/dev/sda1\n"), Run("partition storageos-state"));
        Assert.Equal((0, ""), Run("partition storageos-data"));
        Assert.Equal("", Said);
    }

    [Fact]
    public void Of_two_partitions_of_one_name_neither_is_taken_and_both_are_named()
    {
        Partition("sda1", "storageos-state");
        Partition("sdb1", "storageos-state");
        Assert.Equal((2, ""), Run("partition storageos-state"));
        Assert.Contains(
            $"2 partitions are named storageos-state, of which one is meant: {root}/dev/sda1 "
            + $"{root}/dev/sdb1;", Said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("""[ { "dev": "namespace0.0", "mode": "raw", "size": 0 } ]""")]
    [InlineData(Fresh)]
    public void Memory_that_holds_nothing_is_made_into_pieces_for_the_logs(string namespaces)
    {
        File.WriteAllBytes(Path.Combine(root, "dev", "pmem0"), new byte[2 << 20]);
        MakeNvram(namespaces);
        foreach (string log in new[] { "storageos-log0", "storageos-log1" })
        {
            Assert.Contains(log, Asked, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(Fresh, 4096)]
    [InlineData(Fresh, (1 << 20) - 1)]
    [InlineData("""[ { "dev": "namespace0.0", "mode": "raw", "size": 1 } ]""", -1)]
    [InlineData("""[ { "dev": "namespace0.0", "mode": "fsdax", "size": 1 } ]""", -1)]
    [InlineData("""[ { "dev": "namespace0.0", "mode": "raw", "size": 1, "blockdev": "gone" } ]""",
        -1)]
    public void Memory_that_may_hold_something_is_left_as_it_is(string namespaces, int bytesAt)
    {
        byte[] memory = new byte[2 << 20];
        if (bytesAt >= 0)
        {
            memory[bytesAt] = 1;
        }

        File.WriteAllBytes(Path.Combine(root, "dev", "pmem0"), memory);
        MakeNvram(namespaces);
        Assert.Equal("enable-namespace -r region0 all\n", Asked);
        Assert.Contains("region0 is left as it is", Said, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_the_logs_pieces_the_one_that_a_loss_of_power_left_unmade_is_made()
    {
        Directory.CreateDirectory(Path.Combine(root, "run", "nvram"));
        MakeNvram("""
            [ { "dev": "namespace0.0", "mode": "devdax", "size": 1, "chardev": "dax0.0",
                "name": "storageos-log0" },
              { "dev": "namespace0.1", "mode": "raw", "size": 0 } ]
            """);
        Assert.StartsWith("create-namespace", Asked, StringComparison.Ordinal);
        Assert.EndsWith("-n storageos-log1\n", Asked, StringComparison.Ordinal);
        Assert.Single(Asked.TrimEnd().Split('\n'));
    }

    [Fact]
    public void A_blank_data_partition_is_formatted_and_noted_as_begun_meanwhile()
    {
        DataPartition(damaged: false);
        Assert.Equal(0, Late());
        Assert.Equal("begun 7e57\n", Asked);
        Assert.False(File.Exists(Note));
        Assert.True(File.Exists(Path.Combine(root, "run", "storageos", "disks")));
    }

    [Fact]
    public void A_format_that_a_loss_of_power_ended_half_way_is_done_again()
    {
        DataPartition(damaged: true);
        Put("state/formatting", "7e57\n");
        Assert.Equal(0, Late());
        Assert.Equal("begun 7e57\n", Asked);
        Assert.False(File.Exists(Note));
        Assert.Contains("again, for it was not done", Said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_data_partition_that_was_in_use_is_not_formatted_whatever_the_note_says()
    {
        DataPartition(damaged: false);
        Assert.Equal(0, Late());
        File.Delete(Path.Combine(root, "run", "storageos", "disks"));
        Put("asked", "");
        Put("state/formatting", "7e57\n");
        Assert.Equal(0, Shell("PATH=/sbin:$PATH debugfs -w -R 'set_super_value mtime now' "
            + $"{root}/dev/sdb1").Code);
        Assert.Equal(0, Late());
        Assert.Equal("", Asked);
        Assert.True(File.Exists(Path.Combine(root, "run", "storageos", "disks")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("another\n")]
    public void A_data_partition_that_may_hold_something_is_left_as_it_is(string note)
    {
        DataPartition(damaged: true);
        Put("state/formatting", note);
        Assert.Equal(1, Late());
        Assert.Equal("", Asked);
        Assert.Contains("holds something unknown", Said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_data_partition_that_comes_late_is_waited_for()
    {
        DataPartition(damaged: false);
        string named = Path.Combine(root, "sys", "class", "block", "sdb1", "uevent");
        File.Move(named, Path.Combine(root, "uevent"));
        Task<int> late = Task.Run(Late);
        await Guests.UntilAsync(
            () => Task.FromResult(Said.Contains("on any disk yet", StringComparison.Ordinal)),
            TimeSpan.FromSeconds(20), "the wait is told", () => Said);
        File.Move(Path.Combine(root, "uevent"), named);
        Assert.Equal(0, await late);
        Assert.True(File.Exists(Path.Combine(root, "run", "storageos", "disks")));
    }

    private string Note => Path.Combine(root, "state", "formatting");

    // A file stands for the partition; real mke2fs, blkid and e2fsck work on it.
    private void DataPartition(bool damaged)
    {
        Partition("sda2", "storageos-state");
        Partition("sdb1", "storageos-data");
        byte[] disk = new byte[8 << 20];
        disk[70_000] = damaged ? (byte)1 : (byte)0;
        File.WriteAllBytes(Path.Combine(root, "dev", "sdb1"), disk);
        Directory.CreateDirectory(Path.Combine(root, "run", "storageos"));
        Put("run/storageos/started", "");
        Tool("sync", "#!/bin/sh");
        Tool("mount", "#!/bin/sh");
        Tool("blkid", """
            #!/bin/sh
            case $* in
              *PARTUUID*) echo 7e57 ;;
              *) /sbin/blkid -p $* ;;
            esac
            """);
        Tool("mke2fs", $"#!/bin/sh\necho begun $(cat {Note}) >>{root}/asked\n/sbin/mke2fs $*");
    }

    private int Late()
    {
        Put("etc/common", Script("common"));
        Put("etc/late", Script("late"));
        Tool("../etc/nvram", "#!/bin/sh");
        return Shell($"PATH={root}/bin:/sbin:$PATH; . {root}/etc/late").Code;
    }

    private string Asked => File.ReadAllText(Path.Combine(root, "asked"));

    private string Said => File.ReadAllText(Path.Combine(root, "dev", "kmsg"));

    private void MakeNvram(string namespaces)
    {
        Put("namespaces", namespaces);
        Put("etc/common", Script("common"));
        Put("etc/nvram", Script("nvram"));
        _ = Shell($"PATH={root}/bin:$PATH; . {root}/etc/nvram");
    }

    private (int Code, string Output) Run(string line)
    {
        Put("etc/common", Script("common"));
        return Shell($". {root}/etc/common; {line}");
    }

    private static (int Code, string Output) Shell(string line) =>
        ImageBuild.Run(TimeSpan.FromSeconds(30), "/bin/sh", "-c", line);

    // A file in place of the kernel's log keeps all that is said.
    private string Script(string name) =>
        File.ReadAllText(Path.Combine(ImageBuild.Root, Scripts, name))
            .Replace(">/dev/kmsg", ">>/dev/kmsg", StringComparison.Ordinal)
            .Replace("/etc/storageos/", $"{root}/etc/", StringComparison.Ordinal)
            .Replace("/sys/", $"{root}/sys/", StringComparison.Ordinal)
            .Replace("/dev/", $"{root}/dev/", StringComparison.Ordinal)
            .Replace("/state/", $"{root}/state/", StringComparison.Ordinal)
            .Replace("/run/", $"{root}/run/", StringComparison.Ordinal);

    private void Partition(string device, string name)
    {
        Directory.CreateDirectory(Path.Combine(root, "sys", "class", "block", device));
        Put($"sys/class/block/{device}/uevent", $"DEVTYPE=partition\nPARTNAME={name}\n");
    }

    private void Tool(string name, string script)
    {
        Put($"bin/{name}", script);
        File.SetUnixFileMode(
            Path.Combine(root, "bin", name), UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    private void Put(string name, string text) =>
        File.WriteAllText(Path.Combine(root, name), text);
}
