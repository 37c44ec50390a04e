namespace StorageOs.Contracts.Runtime;

/// <summary>
/// Names of the events (<c>EventId.Name</c>) from which the flight recorder makes more than a line
/// of text. Every other line of level information or above is recorded as it reads. Parameters
/// called <c>Group</c>, <c>Term</c> and <c>Session</c> are recorded as such with either, and those
/// of a named event all.
/// </summary>
public static class EventNames
{
    /// <summary>A session with the partner is ready; has <c>Session</c>.</summary>
    public const string SessionReady = "session-ready";

    /// <summary>A session has ended; has <c>Session</c> and <c>Reason</c>.</summary>
    public const string SessionEnded = "session-ended";

    /// <summary>
    /// A node learned of an entry of the register; has <c>Group</c>, <c>Term</c>, <c>Owner</c> and
    /// <c>Sync</c>.
    /// </summary>
    public const string RegisterSeen = "register-seen";

    /// <summary>A node won a swap; has the same, and <c>Intent</c>.</summary>
    public const string RegisterSwapped = "register-swapped";

    /// <summary>
    /// A step of a takeover, or of going alone, is done; has <c>Group</c>, <c>Step</c> and the
    /// <c>Milliseconds</c> since the loss.
    /// </summary>
    public const string TakeoverStep = "takeover-step";
}
