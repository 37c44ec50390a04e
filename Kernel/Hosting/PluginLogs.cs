using Microsoft.Extensions.Logging;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// What one plugin logs, as far as it may: a plugin that never stops talking must not fill the
/// node's disk, nor wash everybody else out of its log. Any thread.
/// </summary>
/// <param name="logs">Where it goes.</param>
/// <param name="module">Whose it is.</param>
/// <param name="linesPerMinute">Lines that it may log at once, and then each minute.</param>
internal sealed class PluginLogs(ILoggerFactory logs, string module, int linesPerMinute)
    : ILoggerFactory
{
    private readonly EventBudget budget = new(
        linesPerMinute, (long)TimeSpan.FromMinutes(1).TotalNanoseconds / linesPerMinute);

    private readonly ILogger own = logs.CreateLogger("plugins");
    private long leftOut;

    /// <summary>Lines that were left out since it was loaded.</summary>
    internal long LeftOut => Volatile.Read(ref leftOut);

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) =>
        new Measured(this, logs.CreateLogger(categoryName));

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) =>
        throw new NotSupportedException("a plugin logs to where its node does");

    /// <inheritdoc/>
    public void Dispose()
    {
        // The factory is the node's.
    }

    private bool MayLog()
    {
        if (!budget.TryTake(Environment.TickCount64 * 1_000_000, out long before))
        {
            _ = Interlocked.Increment(ref leftOut);
            return false;
        }

        if (before > 0)
        {
            PluginEvents.LogCut.Raise(own, module, before, linesPerMinute);
        }

        return true;
    }

    private sealed class Measured(PluginLogs its, ILogger logger) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => logger.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => logger.IsEnabled(logLevel);

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (logger.IsEnabled(logLevel) && its.MayLog())
            {
                logger.Log(logLevel, eventId, state, exception, formatter);
            }
        }
    }
}
