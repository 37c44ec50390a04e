using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Tcp;

/// <summary>Every limit of this transport, with its unit.</summary>
internal static class Limits
{
    /// <summary>Regions that a node can offer at once; a power of two.</summary>
    public const int GrantsMax = 4096;

    /// <summary>Highest TCP port.</summary>
    public const uint PortMax = 65535;

    /// <summary>Posts in flight on the well-known port.</summary>
    public const int WellKnownPostsMax = 64;

    /// <summary>
    /// Bytes a connection keeps of what came and is not carried out, and of answers not sent yet.
    /// A request that fits is carried out whole or not at all.
    /// </summary>
    public const int BufferBytes = 64 * Size.KiB;

    /// <summary>Bytes of one part of the answer to a long read.</summary>
    public const int ReadPartBytes = 32 * Size.KiB;

    /// <summary>
    /// Bytes taken at once from a connection straight into a region, and so the longest copy that a
    /// revocation may have to wait for.
    /// </summary>
    public const int DirectBytesMax = 256 * Size.KiB;

    /// <summary>Steps that one connection may take before the others get their turn.</summary>
    public const int StepsPerTurnMax = 32;

    /// <summary>Connections that a service thread looks at in one turn.</summary>
    public const int EventsPerTurnMax = 64;

    /// <summary>
    /// Connections that may wait for their hello to be complete; the oldest makes room.
    /// </summary>
    public const int PendingHellosMax = 64;

    /// <summary>Connections accepted in one turn; far fewer than may wait.</summary>
    public const int AcceptsPerTurnMax = 16;

    /// <summary>Connections that the operating system keeps before they are accepted.</summary>
    public const int BacklogMax = 64;

    /// <summary>Bytes of a pair key, at least.</summary>
    public const int KeyBytesMin = 32;

    /// <summary>Bytes of a pair key, at most.</summary>
    public const int KeyBytesMax = 4096;

    /// <summary>How long a connection may take over its hello.</summary>
    public static readonly TimeSpan HelloTimeout = TimeSpan.FromSeconds(3);

    /// <summary>How long to wait for an answer to a call before calling again.</summary>
    public static readonly TimeSpan DialTimeout = TimeSpan.FromSeconds(3);

    /// <summary>Between two calls of a partner that is not there.</summary>
    public static readonly TimeSpan DialPeriod = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// After this long without acknowledgement of sent bytes the operating system ends a
    /// connection. The session's beat is far faster; this frees what a dead machine left.
    /// </summary>
    public static readonly TimeSpan Unacknowledged = TimeSpan.FromSeconds(10);
}
