namespace StorageOs.Contracts.Runtime;

/// <summary>
/// Ids of the events that are the story of a pair: the order of both nodes' events hangs on them,
/// and the flight recorder leaves none of them out, however many there are. Every other line of
/// level information or above is recorded as far as its source's budget goes. Parameters called
/// <c>Group</c>, <c>Term</c> and <c>Session</c> are recorded as such with either, and those of
/// these events all.
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

    /// <summary>Something was done for an operator.</summary>
    public const string OperatorActed = "operator-acted";

    /// <summary>Something was not done for an operator.</summary>
    public const string OperatorRefused = "operator-refused";

    /// <summary>Whether an id is one of these.</summary>
    public static bool AreStory(string id) => id
        is SessionReady or SessionEnded or RegisterSeen or RegisterSwapped or TakeoverStep
        or OperatorActed or OperatorRefused;
}
