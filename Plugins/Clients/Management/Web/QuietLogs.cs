using Microsoft.Extensions.Logging;

namespace StorageOs.Management.Web;

/// <summary>What the web framework says, from warnings on: a line for each request tells nobody
/// anything at night.</summary>
internal sealed class QuietLogs(ILoggerFactory logs) : ILoggerFactory
{
    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => logs.AddProvider(provider);

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Quiet(logs.CreateLogger(categoryName));

    /// <inheritdoc/>
    public void Dispose()
    {
        // The node's.
    }

    private sealed class Quiet(ILogger log) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) =>
            logLevel >= LogLevel.Warning && log.IsEnabled(logLevel);

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                log.Log(logLevel, eventId, state, exception, formatter);
            }
        }
    }
}
