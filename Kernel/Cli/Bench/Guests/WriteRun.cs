using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>Writes of 4 KiB at random places, as a client saw them.</summary>
internal readonly record struct WriteRun(double Iops, double P50Us, double P99Us)
{
    private const int OverheadSeconds = 60;

    /// <summary>Runs fio in a guest on a block device.</summary>
    internal static async Task<WriteRun> FioAsync(
        GuestShell shell, string device, int depth, int seconds, CancellationToken cancellation)
    {
        string output = await shell.RunAsync(
            $"timeout -s KILL {seconds + OverheadSeconds} "
            + $"fio --name=bench --filename={device} --direct=1 --ioengine=libaio --thread "
            + $"--rw=randwrite --bs=4k --iodepth={depth} --randrepeat=0 --norandommap "
            + $"--time_based --runtime={seconds} --ramp_time=1 --percentile_list=50:99 "
            + "--output-format=json 2>/dev/null", cancellation);
        string json = output[output.IndexOf('{')..(output.LastIndexOf('}') + 1)];
        JsonNode write = JsonNode.Parse(json)!["jobs"]![0]!["write"]!;
        JsonNode percentiles = write["clat_ns"]!["percentile"]!;
        return new WriteRun(
            write["iops"]!.GetValue<double>(),
            percentiles["50.000000"]!.GetValue<double>() / 1000,
            percentiles["99.000000"]!.GetValue<double>() / 1000);
    }
}
