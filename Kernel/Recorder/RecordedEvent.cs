using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Kernel.Recorder;

/// <summary>
/// Something that happened on a node. Sequence and epoch say where it stands among that node's own
/// events, whatever its clocks did; session and term where it stands beside the partner's.
/// </summary>
internal sealed record RecordedEvent
{
    /// <summary>Counts a node's events, over its boots; the first is 1.</summary>
    public ulong Sequence { get; init; }

    /// <summary>The node's boot.</summary>
    public ulong Epoch { get; init; }

    /// <summary>The boot's monotonic clock, in nanoseconds.</summary>
    public long Monotonic { get; init; }

    /// <summary>The node's wall clock: microseconds since 1970, UTC.</summary>
    public long Wall { get; init; }

    /// <summary>The session that stood then, or that this is about.</summary>
    public SessionId? Session { get; init; }

    /// <summary>Term of the group's entry in the register; 0 when this is about none.</summary>
    public ulong Term { get; init; }

    /// <summary>The group; null when this is about none.</summary>
    public GroupId? Group { get; init; }

    /// <summary>How bad it is.</summary>
    public LogLevel Level { get; init; } = LogLevel.Information;

    /// <summary>How much it matters to an operator.</summary>
    public EventSeverity Severity { get; init; } = EventSeverity.Information;

    /// <summary>Who said it.</summary>
    public string Source { get; init; } = "";

    /// <summary>
    /// Id of a <see cref="NodeEvent"/>; empty for a line of the log that is none.
    /// </summary>
    public string Name { get; init; } = "";

    /// <summary>What a named event tells besides: <c>key=value;key=value</c>.</summary>
    public string Facts { get; init; } = "";

    /// <summary>What people read.</summary>
    public string Text { get; init; } = "";

    /// <summary>One of the facts; empty when it is not told.</summary>
    public string Fact(string key)
    {
        foreach (string fact in Facts.Split(';'))
        {
            if (fact.StartsWith(key, StringComparison.Ordinal)
                && fact.Length > key.Length && fact[key.Length] == '=')
            {
                return fact[(key.Length + 1)..];
            }
        }

        return "";
    }
}
