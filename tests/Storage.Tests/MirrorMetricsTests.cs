using System.Diagnostics.Metrics;
using StorageOs.Contracts.Services;
using StorageOs.NvramMirror;

namespace StorageOs.Storage.Tests;

/// <summary>What is measured of a log's mirroring.</summary>
public sealed class MirrorMetricsTests
{
    [Theory]
    [InlineData(0u)]
    [InlineData(int.MaxValue - 2u)]
    [InlineData(uint.MaxValue - 2u)]
    public void Each_burst_is_measured_however_many_there_were_since_the_session_began(uint before)
    {
        List<double> told = [];
        using Meter meter = new("mirror");
        using MeterListener listener = ListenTo(meter);
        listener.SetMeasurementEventCallback<double>((_, value, tags, _) =>
        {
            Assert.Equal("1", $"{tags[0].Value}");
            told.Add(value);
        });
        MirrorMetrics metrics = new(meter, new GroupId(1));
        metrics.Begin(before);
        metrics.Posted(); // Nobody listens yet.
        listener.Start();
        metrics.Landed();
        Assert.Empty(told);
        for (int burst = 0; burst < 8; burst++)
        {
            metrics.Posted();
            metrics.Posted();
            metrics.Landed();
            metrics.Landed();
        }

        Assert.Equal(16, told.Count);
        Assert.All(told, static seconds => Assert.InRange(seconds, 0, 60));
    }
    [Fact]
    public void Records_that_are_published_together_are_counted_at_once()
    {
        List<long> told = [];
        using Meter meter = new("mirror");
        using MeterListener listener = ListenTo(meter);
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => told.Add(value));
        listener.Start();
        MirrorMetrics metrics = new(meter, new GroupId(0));
        metrics.Appended(4200);
        metrics.Appended(700);
        Assert.Empty(told);
        metrics.Published();
        metrics.Published();
        Assert.Equal([4900], told);
    }

    private static MeterListener ListenTo(Meter meter) => new()
    {
        InstrumentPublished = (instrument, its) =>
        {
            if (instrument.Meter == meter)
            {
                its.EnableMeasurementEvents(instrument);
            }
        },
    };
}
