using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Reflection;
using Xunit.Sdk;

namespace StorageOs.Tests;

/// <summary>
/// Says which events of the catalogue a test raises, and fails the test when it has not. That every
/// event is raised by some test is for Tidy.Tests to see. Events of nodes in processes of their own
/// do not reach the meter of this one: such a test hands in what it read of their timelines.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RaisesAttribute(params string[] ids) : BeforeAfterTestAttribute
{
    private const string Meter = "StorageOs.Events"; // NodeEvent.MeterName; not all refer to it.
    private static readonly ConcurrentDictionary<string, int> Counts = new();
    private static readonly MeterListener Listener = Listen();
    private readonly Dictionary<string, int> before = [];

    /// <summary>Ids of the events.</summary>
    public IReadOnlyList<string> Ids => ids;

    /// <summary>An event was seen that another process raised.</summary>
    public static void Note(string id) => Counts.AddOrUpdate(id, 1, static (_, old) => old + 1);

    /// <summary>How often an event was raised until now.</summary>
    public static int CountOf(string id) => Counts.GetValueOrDefault(id);

    /// <inheritdoc/>
    public override void Before(MethodInfo methodUnderTest)
    {
        Assert.NotNull(Listener);
        foreach (string id in ids)
        {
            before[id] = Counts.GetValueOrDefault(id);
        }
    }

    /// <inheritdoc/>
    public override void After(MethodInfo methodUnderTest)
    {
        string[] missing = [.. ids.Where(id => Counts.GetValueOrDefault(id) <= before[id])];
        Assert.True(missing.Length == 0, $"never raised: {string.Join(", ", missing)}");
    }

    private static MeterListener Listen()
    {
        MeterListener listener = new()
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == Meter)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>(static (_, _, tags, _) =>
        {
            foreach ((string key, object? value) in tags)
            {
                if (key == "id")
                {
                    Note($"{value}");
                }
            }
        });
        listener.Start();
        return listener;
    }
}
