using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Verbs;

/// <summary>Every limit of this transport, with its unit.</summary>
internal static class Limits
{
    /// <summary>Words of the board that a partner says goodbye on; a power of two.</summary>
    public const int BoardSlots = 4096;

    /// <summary>Bytes of the board.</summary>
    public const int BoardBytes = BoardSlots * sizeof(ulong);

    /// <summary>Address at which the partner finds the board.</summary>
    public const ulong BoardAddress = 0x1000_0000;

    /// <summary>Highest port number of rdma_cm.</summary>
    public const uint CmPortMax = ushort.MaxValue;

    /// <summary>Posts in flight on the well-known port.</summary>
    public const int WellKnownPostsMax = 64;

    /// <summary>Goodbyes in flight to the partner.</summary>
    public const int GoodbyesMax = 64;

    /// <summary>Bytes of a write that travel within the work request.</summary>
    public const int InlineBytes = 64;

    /// <summary>Reads in flight to the partner's card on one queue pair.</summary>
    public const int ReadsMax = 16;

    /// <summary>Completions taken from the card at once.</summary>
    public const int CompletionsAtOnce = 16;

    /// <summary>Posts given to the card with one doorbell.</summary>
    public const int PostsAtOnce = 16;

    /// <summary>Connection requests that may wait to be looked at.</summary>
    public const int RequestsWaitingMax = 8;

    /// <summary>
    /// How often the card sends again before it gives up. Not 7, the most there is: soft RoCE takes
    /// that for "for ever", and a dead partner would never show.
    /// </summary>
    public const byte RetryCount = 6;

    /// <summary>
    /// How long the card waits before it sends again: 4.096 µs times two to this power. 15 is
    /// 134 ms, so a dead partner shows after some 0.9 s, and one whose end of a port is not ready
    /// yet has as long.
    /// </summary>
    public const byte AckTimeoutDefault = 15;

    /// <summary>Least and most that option ack-timeout may say.</summary>
    public const byte AckTimeoutMin = 10, AckTimeoutMax = 20;

    /// <summary>Paths to the partner.</summary>
    public const int PathsMax = 4;

    /// <summary>Keys skipped at random before the one that is given out.</summary>
    public const int KeysSkippedMax = 8;

    /// <summary>Keys remembered so that none comes twice.</summary>
    public const int RetiredKeysMax = 65536;

    /// <summary>Registrations made anew while the card hands out keys of before.</summary>
    public const int RegistrationTriesMax = 64;

    /// <summary>Revocations tried again while the card says that memory is in use.</summary>
    public const int RevocationTriesMax = 20;

    /// <summary>Queue pairs that may wait for being destroyed.</summary>
    public const int RetiringMax = 1024;

    /// <summary>How long rdma_cm may take to find an address or a route.</summary>
    public const int ResolveTimeMs = 1000;

    /// <summary>A page of the larger kind, used where a region is made of whole ones.</summary>
    public const int HugePage = 2 * Size.MiB;

    /// <summary>How long the partner may take to answer one step of connecting.</summary>
    public static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(2);

    /// <summary>First pause before connecting again.</summary>
    public static readonly TimeSpan RetryFirst = TimeSpan.FromMilliseconds(4);

    /// <summary>Longest pause before connecting again.</summary>
    public static readonly TimeSpan RetryMost = TimeSpan.FromMilliseconds(500);

    /// <summary>How long closing waits for the partner's card to take the last word.</summary>
    public static readonly TimeSpan GoodbyeWait = TimeSpan.FromMilliseconds(5);

    /// <summary>How long a failed queue pair may take to complete what was in flight.</summary>
    public static readonly TimeSpan FlushWait = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a write to oneself may take.</summary>
    public static readonly TimeSpan LoopTime = TimeSpan.FromSeconds(2);
}
