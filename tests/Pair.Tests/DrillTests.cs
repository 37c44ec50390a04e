using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>Every drill a user can run, on a file of random bytes.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class DrillTests
{
    private const int FileBytes = 32 << 20;

    [Theory]
    [InlineData("owner", "KILL", "loopback")]
    [InlineData("owner", "STOP", "loopback")]
    [InlineData("partner", "KILL", "loopback")]
    [InlineData("partner", "STOP", "loopback")]
    [InlineData("both", "KILL", "loopback")]
    [InlineData("both", "STOP", "loopback")]
    [InlineData("owner", "KILL", "tcp")]
    [InlineData("owner", "STOP", "tcp")]
    [InlineData("partner", "KILL", "tcp")]
    [InlineData("partner", "STOP", "tcp")]
    [InlineData("both", "KILL", "tcp")]
    public void Nothing_acknowledged_is_lost(string kill, string signal, string transport)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(file, RandomNumberGenerator.GetBytes(FileBytes));
            var (code, output, error) = PairRun.StorageOs(
                "drill", file, "--kill", kill, "--signal", signal, "--at", "40",
                "--transport", transport, "-o", "json");
            Assert.True(code == 0, $"exit {code}: {output}{error}");
            JsonNode result = JsonNode.Parse(output)!;
            Assert.Equal(FileBytes, result["ackedBytes"]!.GetValue<long>());
            Assert.Equal(0, result["lostBytes"]!.GetValue<long>());
            Assert.True(result["sha256Match"]!.GetValue<bool>());
            Assert.True(result["longestStallMs"]!.GetValue<double>() > 0);
            Assert.True(result["steppedBack"]!.GetValue<bool>(), output);
            Assert.True(kill != "owner" || result["takeoverMs"] is not null, output);

            // A stopped node is found by its beat alone, never in no time.
            Assert.True(kill != "owner" || signal != "STOP"
                || result["detectMs"]!.GetValue<double>() > 0, output);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("both", "KILL")]
    [InlineData("partner", "STOP")]
    public void A_file_of_one_byte_is_read_back_from_whoever_comes_to_serve(
        string kill, string signal)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(file, [1]);
            var (code, output, error) = PairRun.StorageOs(
                "drill", file, "--kill", kill, "--signal", signal, "--at", "99", "-o", "json");
            Assert.True(code == 0, $"exit {code}: {output}{error}");
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void A_file_too_large_for_the_disk_is_refused_before_anything_starts()
    {
        string file = Path.GetTempFileName();
        try
        {
            long free = new DriveInfo(Path.GetTempPath()).AvailableFreeSpace;
            using (FileStream sparse = File.OpenWrite(file))
            {
                sparse.SetLength(free);
            }

            var (code, _, error) = PairRun.StorageOs("drill", file);
            Assert.Equal(2, code);
            Assert.Contains("bytes free", error, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void A_file_that_is_not_there_is_bad_usage() =>
        Assert.Equal(2, PairRun.StorageOs("drill", "/no/such/file").Code);
}
