using System.Diagnostics;
using System.Globalization;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Bench;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Cli.Doctor;

/// <summary>Where a node keeps what must survive it: disk, memory, and their flushes.</summary>
internal static class DiskDoctor
{
    private const int Flushes = 64;
    private const int BlockBytes = 4 * Size.KiB;
    private const long RoomMin = 256L * Size.MiB;
    private const double HonestUs = 15; // No medium takes a block and says so in less.
    private const double SlowMs = 50;

    /// <summary>Looks at both folders of a node.</summary>
    internal static IEnumerable<Diagnosis> Examine(LocalNodeSettings node)
    {
        if (!Directory.Exists(node.DataDirectory))
        {
            yield return new(
                "data", Verdict.Advice, $"no folder {node.DataDirectory} yet",
                "the first boot makes it; look again then");
            yield break;
        }

        Mount data = Mount.Of(node.DataDirectory);
        yield return Diagnosis.Of(
            "data", !data.IsMemory, Verdict.Bad, $"{node.DataDirectory} on {data.Kind}",
            "put node:dataDirectory on a disk: what stands there must survive a restart");
        yield return Room(node.DataDirectory);
        yield return Flush(node.DataDirectory, data);
        yield return Memory(node);
    }

    /// <summary>What the timings of flushes say of whoever answers them.</summary>
    internal static Diagnosis Flush(Samples microseconds, Mount mount, string cache)
    {
        string found = string.Create(CultureInfo.InvariantCulture,
            $"{microseconds.Median / 1000:0.000} ms, 99 of 100 in"
            + $" {microseconds.Percentile(99) / 1000:0.000} ms on {mount.Kind}{cache}");
        if (mount.IsMemory)
        {
            return new("flush", Verdict.Unknown, found, "a flush of memory says nothing");
        }

        return microseconds.Median < HonestUs
            ? new("flush", Verdict.Advice, found,
                "too fast for a medium: see that what answers keeps it without power")
            : Diagnosis.Of(
                "flush", microseconds.Percentile(99) < SlowMs * 1000, Verdict.Advice, found,
                "a slow disk delays whoever waits for a flush, and recovery");
    }

    private static Diagnosis Room(string folder)
    {
        long free = new DriveInfo(folder).AvailableFreeSpace;
        return Diagnosis.Of(
            "room", free >= RoomMin, Verdict.Bad, $"{free / Size.MiB} MiB free at {folder}",
            "make room: a node whose disk is full stops taking writes");
    }

    private static Diagnosis Flush(string folder, Mount mount)
    {
        string file = Path.Combine(folder, $"doctor-{Environment.ProcessId}");
        Samples times = new();
        try
        {
            using FileStream stream = new(
                file, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0,
                FileOptions.DeleteOnClose);
            byte[] block = new byte[BlockBytes];
            for (int i = 0; i < Flushes; i++)
            {
                block.AsSpan().Fill((byte)i);
                stream.Write(block);
                long begin = Stopwatch.GetTimestamp();
                stream.Flush(flushToDisk: true);
                times.Add(Stopwatch.GetElapsedTime(begin).TotalMicroseconds);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return new(
                "flush", Verdict.Unknown, failure.Message,
                "run this as the node's user, or as root");
        }

        return Flush(times, mount, CacheOf(mount));
    }

    // A partition has no queue of its own: its disk, one folder up, has.
    private static string CacheOf(Mount mount)
    {
        string device = $"/sys/dev/block/{mount.Device}";
        string? file = new[] { $"{device}/queue/write_cache", $"{device}/../queue/write_cache" }
            .FirstOrDefault(File.Exists);
        return file is null ? "" : $", cache {File.ReadAllText(file).Trim()}";
    }

    // What the log itself asks for its level is asked at boot, of the very device.
    private static Diagnosis Memory(LocalNodeSettings node)
    {
        string[] domains = [.. Directory.Exists("/sys/bus/nd/devices")
            ? Directory.EnumerateDirectories("/sys/bus/nd/devices", "region*")
                .Select(static region => Path.Combine(region, "persistence_domain"))
                .Where(File.Exists).Select(static file => File.ReadAllText(file).Trim()) : []];
        string found = domains.Length == 0 ? "no persistent memory"
            : $"persistent memory whose domain is {string.Join(", ", domains)}";
        return node.Persistence == PersistenceLevel.Process
            ? new("NVRAM", Verdict.Good,
                $"level process: survives any process, not both nodes' power; {found}")
            : Diagnosis.Of(
                "NVRAM", domains.Contains("cpu_cache"), Verdict.Bad, $"level power; {found}",
                "level power needs persistent memory whose domain is cpu_cache");
    }
}
