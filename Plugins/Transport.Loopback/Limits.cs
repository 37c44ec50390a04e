using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Loopback;

/// <summary>Every limit of this transport, with its unit.</summary>
internal static class Limits
{
    /// <summary>Keys and port ends that a node can have at once; a power of two.</summary>
    public const int BoardSlots = 4096;

    /// <summary>Bytes of one slot: a cache line, so that no two keys share one.</summary>
    public const int SlotBytes = 64;

    /// <summary>Bytes of a board: one page of header, then the slots.</summary>
    public const int BoardBytes = Size.Page + (BoardSlots * SlotBytes);

    /// <summary>Highest VI number.</summary>
    public const uint VirtualInterfaceMax = 65535;

    /// <summary>
    /// Connections that may wait for their greeting to be read; the oldest makes room.
    /// </summary>
    public const int PendingConnectionsMax = 8;

    /// <summary>Posts in flight on the well-known port.</summary>
    public const int WellKnownPostsMax = 64;

    /// <summary>How long nobody is accepted after that has failed.</summary>
    public static readonly TimeSpan AcceptRetry = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// How long the thread that waits for a partner's death may outlive its link.
    /// </summary>
    public static readonly TimeSpan LifeLookPeriod = TimeSpan.FromMilliseconds(500);
}
