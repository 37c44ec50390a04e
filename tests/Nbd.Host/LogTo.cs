using Microsoft.Extensions.Logging;
using StorageOs.NbdExport;

namespace StorageOs.Nbd.Host;

/// <summary>Gives each line of the log to whoever asked.</summary>
internal sealed class LogTo(Action<string> write) : ILogger<NbdExportClient>
{
    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => true;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state,
        Exception? exception, Func<TState, Exception?, string> formatter) =>
        write($"{logLevel}: {formatter(state, exception)}");
}
