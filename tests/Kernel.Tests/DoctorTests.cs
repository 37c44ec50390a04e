using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli.Bench;
using StorageOs.Kernel.Cli.Doctor;

namespace StorageOs.Kernel.Tests;

/// <summary>What the doctor makes of what it reads.</summary>
public sealed class DoctorTests
{
    private static readonly string[] Mounts =
    [
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro",
        "30 22 0:26 / /dev/shm rw,nosuid - tmpfs tmpfs rw",
        "31 22 259:0 / /mnt/nv\\040ram rw - ext4 /dev/pmem0 rw,dax=always",
        "32 22 0:40 / /data rw - tmpfs tmpfs rw",
        "33 22 8:17 / /data rw - xfs /dev/sdb1 rw",
    ];

    [Theory]
    [InlineData("/var/lib/x", "ext4", "8:1")]
    [InlineData("/dev/shm/x", "tmpfs", "0:26")]
    [InlineData("/dev/shmx", "ext4", "8:1")]
    [InlineData("/data/a", "xfs", "8:17")] // The one mounted over the other.
    public void A_path_is_on_the_file_system_that_is_seen_there(
        string path, string kind, string device)
    {
        Mount mount = Mount.Of(path, Mounts);
        Assert.Equal((kind, device), (mount.Kind, mount.Device));
        Assert.Equal(kind == "tmpfs", mount.IsMemory);
    }

    [Fact]
    public void Limits_are_read_with_what_capabilities_lift()
    {
        string[] limits =
        [
            "Limit                     Soft Limit           Hard Limit           Units     ",
            "Max locked memory         8388608              8388608              bytes     ",
            "Max open files            1024                 524288               files     ",
            "Max realtime priority     0                    0                              ",
        ];
        ProcessLimits plain = new(limits, ["Name:\tx", "CapEff:\t0000000000000000"]);
        Assert.Equal((8388608, 1024, false),
            (plain.LockedBytes, plain.OpenFiles, plain.MayBeRealTime));
        ProcessLimits lifted = new(limits, ["CapEff:\t0000000000804000"]);
        Assert.Equal((long.MaxValue, true), (lifted.LockedBytes, lifted.MayBeRealTime));
        Assert.True(ProcessLimits.Of("self").OpenFiles > 0);
    }

    [Theory]
    [InlineData("/x", 500, 900, "Good", "cache write back")]
    [InlineData("/x", 5, 8, "Advice", "too fast for a medium")]
    [InlineData("/x", 500, 80_000, "Advice", "a slow disk")]
    [InlineData("/dev/shm/x", 5, 8, "Unknown", "says nothing")]
    public void A_flush_says_something_of_who_answers_it(
        string path, double median, double worst, string verdict, string said)
    {
        Samples times = new(Enumerable.Repeat(median, 63).Append(worst));
        Diagnosis found = DiskDoctor.Flush(times, Mount.Of(path, Mounts), ", cache write back");
        Assert.Equal(verdict, $"{found.Verdict}");
        Assert.Contains(said, found.Found + found.Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0.2, 0.4, 0, "Good")]
    [InlineData(0.2, 9, 0, "Advice")]
    [InlineData(0.2, 150, 0, "Bad")]
    [InlineData(0.2, 0.4, 1, "Bad")]
    public void A_path_whose_echoes_spread_or_are_lost_is_told(
        double median, double worst, int lost, string verdict) => Assert.Equal(
            verdict, $"{PartnerDoctor.Latency(
                "10.0.0.2", new Samples(Enumerable.Repeat(median, 63).Append(worst)), lost).Verdict}");

    [Fact]
    public void Who_answers_no_echo_is_not_called_bad() => Assert.Equal(
        Verdict.Unknown, PartnerDoctor.Latency("10.0.0.2", new Samples(), 4).Verdict);

    [Fact]
    public void Swap_and_scarce_memory_are_told()
    {
        const string Head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority";
        Assert.Equal(Verdict.Good, MachineDoctor.Swap([Head]).Verdict);
        Assert.Contains("/dev/sda2", MachineDoctor.Swap(
            [Head, "/dev/sda2                               partition\t9\t0\t-2"]).Found);
        Assert.Equal(Verdict.Good, MachineDoctor.Memory(["MemAvailable:  2048000 kB"]).Verdict);
        Assert.Equal(Verdict.Advice, MachineDoctor.Memory(["MemAvailable:  204800 kB"]).Verdict);
    }

    [Theory]
    [InlineData("""{"phase":"Unreachable"}""", "node Unknown")]
    [InlineData(
        """
        {"phase":"Serving","session":{"state":"Ready"},
         "partner":{"largestBeatGapMs":4,"beatLimitMs":204},"witness":{"state":"None"}}
        """,
        "node Good, session Good, beats Good, witness Good")]
    [InlineData(
        """
        {"phase":"Serving","session":{"state":"Connecting"},
         "partner":{"largestBeatGapMs":150,"beatLimitMs":204},"witness":{"state":"Unavailable"},
         "takeover":{"hindrances":[{"group":1,"what":"no copy","remedy":"wait"}]}}
        """,
        "node Good, session Bad, beats Advice, witness Bad, takeover of 1 Bad")]
    public void What_a_running_node_says_is_judged(string status, string verdicts) => Assert.Equal(
        verdicts, string.Join(", ", NodeDoctor.Examine(JsonNode.Parse(status)!.AsObject())
            .Select(static one => $"{one.Check} {one.Verdict}")));
}
