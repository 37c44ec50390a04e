using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace StorageOs.Volumes;

/// <summary>
/// A volume's file and what it costs, as instruments of the meter <c>StorageOs.Disk</c>: they tell
/// a slow disk from a slow network.
/// </summary>
internal sealed class MeasuredFile : IVolumeFile
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "StorageOs.Disk";

    private readonly IVolumeFile file;
    private readonly Histogram<double> flushes;
    private readonly Counter<long> bytes;
    private readonly KeyValuePair<string, object?> volume;
    private readonly KeyValuePair<string, object?> read = new("operation", "read");
    private readonly KeyValuePair<string, object?> write = new("operation", "write");

    /// <summary>Measures what is done with a file, which it owns from here on.</summary>
    public MeasuredFile(IVolumeFile file, string name, Meter meter)
    {
        this.file = file;
        volume = new("volume", name);
        flushes = meter.CreateHistogram<double>(
            "storageos.disk.flush.duration", "s", "time of a flush of the volume's disk",
            advice: new InstrumentAdvice<double>
            {
                HistogramBucketBoundaries =
                    [1e-5, 1e-4, 3.2e-4, 1e-3, 3.2e-3, 1e-2, 3.2e-2, 0.1, 0.32, 1, 3.2, 10],
            });
        bytes = meter.CreateCounter<long>(
            "storageos.disk.io", "By", "bytes read from and written to the volume's disk");
    }

    /// <inheritdoc/>
    public bool TryReadNow(Span<byte> into, long offset)
    {
        bool done = file.TryReadNow(into, offset);
        if (done)
        {
            bytes.Add(into.Length, volume, read);
        }

        return done;
    }

    /// <inheritdoc/>
    public DiskResult Read(Span<byte> into, long offset)
    {
        DiskResult result = file.Read(into, offset);
        if (result == DiskResult.Ok)
        {
            bytes.Add(into.Length, volume, read);
        }

        return result;
    }

    /// <inheritdoc/>
    public DiskResult Write(IReadOnlyList<ReadOnlyMemory<byte>> buffers, long offset)
    {
        DiskResult result = file.Write(buffers, offset);
        long length = 0;
        for (int i = 0; i < buffers.Count && result == DiskResult.Ok; i++)
        {
            length += buffers[i].Length;
        }

        bytes.Add(length, volume, write);
        return result;
    }

    /// <inheritdoc/>
    public DiskResult Punch(long offset, long length) => file.Punch(offset, length);

    /// <inheritdoc/>
    public DiskResult Flush()
    {
        long began = Stopwatch.GetTimestamp();
        DiskResult result = file.Flush();
        flushes.Record(Stopwatch.GetElapsedTime(began).TotalSeconds, volume);
        return result;
    }

    /// <inheritdoc/>
    public long NextData(long offset) => file.NextData(offset);

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
