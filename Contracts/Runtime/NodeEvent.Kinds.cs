using Microsoft.Extensions.Logging;

namespace StorageOs.Contracts.Runtime;

/// <summary>An event with no parameter.</summary>
public sealed class PlainEvent : NodeEvent
{
    private readonly Action<ILogger, Exception?> write;

    /// <summary>Makes the entry; the text names as many parameters.</summary>
    public PlainEvent(string id, EventSeverity severity, string text)
        : base(id, severity, text) =>
        write = LoggerMessage.Define(Level, EventId, text);

    /// <summary>It has happened.</summary>
    public void Raise(ILogger logger, Exception? failure = null)
    {
        Count();
        write(logger, failure);
    }
}

/// <summary>An event with one parameter.</summary>
public sealed class NodeEvent<T1> : NodeEvent
{
    private readonly Action<ILogger, T1, Exception?> write;

    /// <summary>Makes the entry; the text names as many parameters.</summary>
    public NodeEvent(string id, EventSeverity severity, string text)
        : base(id, severity, text) =>
        write = LoggerMessage.Define<T1>(Level, EventId, text);

    /// <summary>It has happened.</summary>
    public void Raise(ILogger logger, T1 first, Exception? failure = null)
    {
        Count();
        write(logger, first, failure);
    }
}

/// <summary>An event with two parameters.</summary>
public sealed class NodeEvent<T1, T2> : NodeEvent
{
    private readonly Action<ILogger, T1, T2, Exception?> write;

    /// <summary>Makes the entry; the text names as many parameters.</summary>
    public NodeEvent(string id, EventSeverity severity, string text)
        : base(id, severity, text) =>
        write = LoggerMessage.Define<T1, T2>(Level, EventId, text);

    /// <summary>It has happened.</summary>
    public void Raise(ILogger logger, T1 first, T2 second, Exception? failure = null)
    {
        Count();
        write(logger, first, second, failure);
    }
}

/// <summary>An event with three parameters.</summary>
public sealed class NodeEvent<T1, T2, T3> : NodeEvent
{
    private readonly Action<ILogger, T1, T2, T3, Exception?> write;

    /// <summary>Makes the entry; the text names as many parameters.</summary>
    public NodeEvent(string id, EventSeverity severity, string text)
        : base(id, severity, text) =>
        write = LoggerMessage.Define<T1, T2, T3>(Level, EventId, text);

    /// <summary>It has happened.</summary>
    public void Raise(ILogger logger, T1 first, T2 second, T3 third, Exception? failure = null)
    {
        Count();
        write(logger, first, second, third, failure);
    }
}

/// <summary>An event with four parameters.</summary>
public sealed class NodeEvent<T1, T2, T3, T4> : NodeEvent
{
    private readonly Action<ILogger, T1, T2, T3, T4, Exception?> write;

    /// <summary>Makes the entry; the text names as many parameters.</summary>
    public NodeEvent(string id, EventSeverity severity, string text)
        : base(id, severity, text) =>
        write = LoggerMessage.Define<T1, T2, T3, T4>(Level, EventId, text);

    /// <summary>It has happened.</summary>
    public void Raise(
        ILogger logger, T1 first, T2 second, T3 third, T4 fourth, Exception? failure = null)
    {
        Count();
        write(logger, first, second, third, fourth, failure);
    }
}

/// <summary>An event with five parameters.</summary>
public sealed class NodeEvent<T1, T2, T3, T4, T5> : NodeEvent
{
    private readonly Action<ILogger, T1, T2, T3, T4, T5, Exception?> write;

    /// <summary>Makes the entry; the text names as many parameters.</summary>
    public NodeEvent(string id, EventSeverity severity, string text)
        : base(id, severity, text) =>
        write = LoggerMessage.Define<T1, T2, T3, T4, T5>(Level, EventId, text);

    /// <summary>It has happened.</summary>
    public void Raise(
        ILogger logger, T1 first, T2 second, T3 third, T4 fourth, T5 fifth,
        Exception? failure = null)
    {
        Count();
        write(logger, first, second, third, fourth, fifth, failure);
    }
}
