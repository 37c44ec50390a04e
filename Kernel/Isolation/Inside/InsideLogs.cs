using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Services;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Isolation.Inside;

/// <summary>Hands what a plugin logs to its node.</summary>
internal sealed class InsideLogs(Line line) : ILoggerProvider
{
    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Logger(line, categoryName);

    /// <inheritdoc/>
    public void Dispose()
    {
        // The line is another's.
    }

    private sealed class Logger(Line line, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                line.Tell(Ask.Log, Line.Pack(new LogBody(
                    category, (int)logLevel, eventId.Id, eventId.Name,
                    formatter(state, exception),
                    exception is null ? null : McMasterPluginLoader.Shown(exception))));
            }
        }
    }
}

/// <summary>The node's board of vetoes. Any thread.</summary>
internal sealed class InsideVetoes(Line line) : IHandoverVetoes
{
    private static long numbers;

    /// <inheritdoc/>
    public IReadOnlyList<HandoverVeto> All =>
    [
        .. Line.Unpack<KnownVeto[]>(line.CallAsync(Ask.Vetoes, null).GetAwaiter().GetResult())
            .Select(static veto => veto.ToVeto()),
    ];

    /// <inheritdoc/>
    public IDisposable Veto(GroupId? group, string why, string remedy)
    {
        VetoBody veto = new(
            Interlocked.Increment(ref numbers), group?.Value, why, remedy);
        _ = line.CallAsync(Ask.Veto, Line.Pack(veto)).GetAwaiter().GetResult();
        return new Ending(line, veto);
    }

    private sealed class Ending(Line line, VetoBody veto) : IDisposable
    {
        public void Dispose() => line.Tell(Ask.EndVeto, Line.Pack(veto));
    }
}
