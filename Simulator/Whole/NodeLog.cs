using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Simulator.Whole;

/// <summary>
/// What a module says of itself goes into the story; a broken promise of our own code that it has
/// contained counts all the same.
/// </summary>
internal sealed class NodeLog<T>(WholeNode node) : ILogger<T>
{
    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) =>
        logLevel >= LogLevel.Warning || (node.World.Telling && logLevel >= LogLevel.Information);

    /// <inheritdoc/>
    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        if (exception is not null)
        {
            node.World.Tell($"{node.Name} logs: {formatter(state, exception)}: {exception}");
        }

        if (exception is InvariantException bug && !Killed.Is(bug))
        {
            node.World.Fail($"{node.Name}: {exception}");
        }
    }
}
