using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Tests;

/// <summary>A plugin that talks without end is heard, and nobody else is washed out by it.</summary>
public sealed class PluginLogsTests
{
    private readonly ConcurrentQueue<string> lines = new();

    [Fact]
    public void A_plugin_that_says_too_much_is_cut_short_and_its_neighbour_is_not()
    {
        using ILoggerFactory logs = LoggerFactory.Create(
            builder => builder.AddProvider(new Kept(lines)));
        PluginLogs loud = new(logs, "loud", 20);
        PluginLogs quiet = new(logs, "quiet", 20);
        ILogger first = loud.CreateLogger("Loud.First");
        ILogger second = loud.CreateLogger("Loud.Second");
        for (int line = 0; line < 50; line++)
        {
            first.LogInformation("first {Line}", line);
            second.LogInformation("second {Line}", line);
            first.LogDebug("not asked for, and not counted");
        }

        quiet.CreateLogger("Quiet").LogInformation("quiet");
        Assert.Equal(21, lines.Count);
        Assert.Equal("quiet", lines.Last());
        Assert.Equal(80, loud.LeftOut);
        Assert.Equal(0, quiet.LeftOut);
    }

    [Fact]
    [Raises("plugin-log-cut")]
    public void What_was_left_out_is_said_as_soon_as_there_is_room()
    {
        using ILoggerFactory logs = LoggerFactory.Create(
            builder => builder.AddProvider(new Kept(lines)));
        PluginLogs loud = new(logs, "loud", 600); // One more each tenth of a second.
        ILogger log = loud.CreateLogger("Loud");
        for (int line = 0; line < 700; line++)
        {
            log.LogInformation("{Line}", line);
        }

        long leftOut = loud.LeftOut;
        Assert.InRange(leftOut, 1, 100);
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                log.LogInformation("again");
                return lines.Last() == "again";
            },
            TimeSpan.FromSeconds(10)));
        Assert.Contains(lines, line => line.StartsWith("loud: ", StringComparison.Ordinal)
            && line.EndsWith(
                "lines of its log were left out; it may log 600 a minute", StringComparison.Ordinal));
    }

    private sealed class Kept(ConcurrentQueue<string> lines) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            lines.Enqueue(formatter(state, exception));

        public void Dispose()
        {
            // The queue is the test's.
        }
    }
}
