using System.Diagnostics.Metrics;
using StorageOs.Contracts.Services;
using StorageOs.Volumes;

namespace StorageOs.Storage.Tests;

/// <summary>What is measured of a real file.</summary>
public sealed class MeasuredFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("measured-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Bytes_and_flushes_are_counted_and_what_the_disk_says_is_passed_on()
    {
        const int Bytes = 8192;
        Dictionary<string, double> told = [];
        using Meter meter = new("measured");
        using MeterListener listener = new()
        {
            InstrumentPublished = (instrument, its) =>
            {
                if (instrument.Meter == meter)
                {
                    its.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(
            $"{instrument.Name} {tags[0].Value} {tags[1].Value}", value));
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
        {
            Assert.InRange(value, 0, 60);
            Note($"{instrument.Name} {tags[0].Value}", 1);
        });
        listener.Start();
        VolumeSettings settings = new("vol0", new GroupId(0), Bytes);
        using (MeasuredFile file = new(VolumeFile.Open(settings, folder), "vol0", meter))
        {
            byte[] data = [.. Enumerable.Range(0, 4096).Select(static at => (byte)at)];
            byte[] back = new byte[data.Length];
            Assert.Equal(DiskResult.Ok, file.Write([data.AsMemory(0, 96), data.AsMemory(96)], 4096));
            Assert.Equal(DiskResult.Ok, file.Flush());
            Assert.Equal(DiskResult.Ok, file.Read(back, 4096));
            Assert.Equal(data, back);
            Assert.Equal(DiskResult.Ok, file.Punch(4096, 4096));
            Assert.Equal(DiskResult.Failed, file.Read(back, Bytes));
        }

        Assert.Equal(4096, told["storageos.disk.io vol0 write"]);
        Assert.Equal(4096, told["storageos.disk.io vol0 read"]);
        Assert.Equal(1, told["storageos.disk.flush.duration vol0"]);

        void Note(string what, double value) => told[what] = told.GetValueOrDefault(what) + value;
    }
}
