using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>
/// That each measurement runs and says what it must; figures are not judged here, for they depend
/// on what else the machine does.
/// </summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class BenchTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan SoakPatience = TimeSpan.FromMinutes(40);

    [Fact]
    public void Ports_and_reconnects_are_measured_from_within()
    {
        JsonNode result = Bench("port", "handshake", "--rounds", "1");
        Assert.True(result["port"]!["write4096"]!["ratio"]!.GetValue<double>() > 0);
        Assert.True(result["port"]!["socket4096"]!["besideP50Ns"]!.GetValue<double>() > 0);
        Assert.True(result["handshake"]!["firstReadToReadyMs"]!["p50"]!.GetValue<double>() > 0);
    }

    [Fact]
    public void A_write_over_tcp_is_measured_beside_a_bare_socket()
    {
        JsonNode result = Bench("tcp", "--rounds", "1")["tcp"]!;
        Assert.True(result["write4096"]!["ratio"]!.GetValue<double>() > 0);
        Assert.True(result["echo4096"]!["besideP50Ns"]!.GetValue<double>() > 0);
    }

    /// <summary>Not a timing: the steady path allocates nothing at all.</summary>
    [Fact]
    public void A_million_mirrored_appends_allocate_nothing()
    {
        JsonNode result = Bench("append", "--rounds", "1")["append"]!;
        Assert.Equal(0, result["allocated"]!["allocatedBytes"]!.GetValue<long>());
        Assert.Equal(1_000_000, result["allocated"]!["appends"]!.GetValue<long>());
        Assert.True(result["depth32"]!["ratio"]!.GetValue<double>() > 0);
    }

    [Fact]
    public void The_export_is_measured_beside_servers_that_mirror_nothing()
    {
        JsonNode result = Bench("export", "--rounds", "1", "--seconds", "0.3")["export"]!;
        foreach (string server in new[] { "storageos", "nbdkit memory", "nbdkit file", "qemu-nbd" })
        {
            Assert.True(
                result["randwrite depth 32"]![server]!["iops"]!.GetValue<double>() > 0, server);
        }
    }

    [Fact]
    public void Takeovers_are_measured_as_a_client_sees_them()
    {
        JsonNode result = Bench("takeover", "--times", "1")["takeover"]!;
        Assert.True(result["kill"]!["worstMs"]!.GetValue<double>() > 0);
        Assert.True(result["stop"]!["takes"]![0]!["detectMs"]!.GetValue<double>() > 0);
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void No_living_partner_is_taken_for_gone_beside_hogs_and_an_allocating_client()
    {
        JsonNode result = Bench(SoakPatience, "soak", "--minutes", "30")["soak"]!;
        Assert.True(result["reached"]!.GetValue<bool>(), result.ToJsonString());
    }

    private static JsonNode Bench(params string[] arguments) => Bench(Patience, arguments);

    private static JsonNode Bench(TimeSpan limit, params string[] arguments)
    {
        var (code, output, error) =
            PairRun.Run(limit, PairRun.Kernel, ["bench", "-o", "json", "--only", .. arguments]);
        Assert.True(code == 0, $"exit {code}: {output}{error}");
        return JsonNode.Parse(output)!;
    }
}
