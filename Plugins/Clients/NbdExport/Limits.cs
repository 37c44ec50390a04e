using StorageOs.Contracts.Runtime;

namespace StorageOs.NbdExport;

/// <summary>Every limit of the block export, with its unit.</summary>
internal static class Limits
{
    /// <summary>Connections that one service address serves; one more is closed at once.</summary>
    public const int ConnectionsMax = 64;

    /// <summary>
    /// Volumes of one group; with names at their longest a list still fits one buffer.
    /// </summary>
    public const int ExportsMax = 256;

    /// <summary>Bytes of an export's name.</summary>
    public const int NameBytesMax = 256;

    /// <summary>Bytes of one read or write.</summary>
    public const int RequestBytesMax = 32 * Size.MiB;

    /// <summary>
    /// Requests of one connection from arrival until the last byte of the reply is sent.
    /// </summary>
    public const int RequestsInFlightMax = 256;

    /// <summary>
    /// Bytes of buffers of those requests; one request alone may always have its buffer.
    /// </summary>
    public const int InFlightBytesMax = 64 * Size.MiB;

    /// <summary>Bytes received at once.</summary>
    public const int ReceiveBufferBytes = 256 * Size.KiB;

    /// <summary>Bytes of replies gathered into one send.</summary>
    public const int SendBufferBytes = 256 * Size.KiB;

    /// <summary>
    /// Bytes of a payload that is copied through those two buffers; a larger one goes between the
    /// socket and the request's own buffer.
    /// </summary>
    public const int CopiedBytesMax = 64 * Size.KiB;

    /// <summary>
    /// Bytes of one option of the handshake; a client that announces more is dropped.
    /// </summary>
    public const int OptionBytesMax = 32 * Size.KiB;

    /// <summary>Bytes that the reply to one option may take.</summary>
    public const int OptionReplyBytesMax = 128 * Size.KiB;

    /// <summary>Queries of one metadata context option.</summary>
    public const int ContextQueriesMax = 64;

    /// <summary>Times one connection may receive before others have their turn.</summary>
    public const int ReceivesPerTurnMax = 4;

    /// <summary>Connections accepted before others have their turn.</summary>
    public const int AcceptsPerTurnMax = 16;

    /// <summary>Connections that wait to be accepted; they outlive the owner.</summary>
    public const int Backlog = 128;

    /// <summary>Extents of one block status reply.</summary>
    public const int ExtentsMax = 1024;

    /// <summary>
    /// Bytes that one block status request looks at; the reply may cover less than asked.
    /// </summary>
    public const long StatusBytesMax = 4 * Size.GiB;

    /// <summary>Bytes of a trim or zeroing that are given to the volume at once.</summary>
    public const int TrimBytesMax = 1024 * Size.MiB;

    /// <summary>Bytes of free buffers kept for later, over all connections.</summary>
    public const long PooledBytesMax = 128 * Size.MiB;

    /// <summary>Bytes of a Unix socket's path, the kernel's limit, less the closing zero.</summary>
    public const int SocketPathBytesMax = 107;

    /// <summary>Links waiting to be accepted from the partner; there is one at a time.</summary>
    public const int LinkBacklog = 4;

    /// <summary>Link messages taken before others have their turn.</summary>
    public const int LinkMessagesPerTurnMax = 256;

    /// <summary>How long a client may take from connecting to its choice of an export.</summary>
    public static readonly TimeSpan HandshakeTime = TimeSpan.FromSeconds(10);

    /// <summary>How long an idle client is silent before it is asked whether it is there.</summary>
    public static readonly TimeSpan KeepaliveIdle = TimeSpan.FromSeconds(60);

    /// <summary>How often it is asked again.</summary>
    public static readonly TimeSpan KeepalivePeriod = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a client may take nothing and answer nothing before its connection ends. Long, for
    /// a machine may be moved or stopped for a while and come back.
    /// </summary>
    public static readonly TimeSpan SilenceMax = TimeSpan.FromMinutes(5);

    /// <summary>How often a service address that was taken is announced.</summary>
    public const int Announcements = 5;

    /// <summary>How often a missing listener or link is tried for.</summary>
    public static readonly TimeSpan RetryPeriod = TimeSpan.FromMilliseconds(100);

    /// <summary>How long an address that cannot be listened at is told of after.</summary>
    public static readonly TimeSpan UnboundTold = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long a node accepts nobody after its partner said that it took the address over: time
    /// enough to hear of it from the register.
    /// </summary>
    public static readonly TimeSpan TakenPause = TimeSpan.FromSeconds(2);

    static Limits()
    {
        Invariant.Require(CopiedBytesMax < ReceiveBufferBytes);
        Invariant.Require(CopiedBytesMax < SendBufferBytes);
        Invariant.Require(OptionBytesMax < ReceiveBufferBytes);
        Invariant.Require(OptionReplyBytesMax < SendBufferBytes);
        Invariant.Require(ExportsMax * (NameBytesMax + 24) < OptionReplyBytesMax);
        Invariant.Require(RequestBytesMax <= InFlightBytesMax);
    }
}
