namespace StorageOs.NbdExport.Protocol;

/// <summary>
/// Numbers of the NBD protocol (the project's doc/proto.md); all travel big-endian.
/// </summary>
internal static class NbdWire
{
    public const ulong InitMagic = 0x4e42444d41474943;
    public const ulong OptionMagic = 0x49484156454f5054;
    public const ulong OptionReplyMagic = 0x0003e889045565a9;
    public const uint RequestMagic = 0x25609513;
    public const uint SimpleReplyMagic = 0x67446698;
    public const uint StructuredReplyMagic = 0x668e33ef;

    /// <summary>Fixed newstyle, and no zeroes after the export's size.</summary>
    public const ushort HandshakeFlags = 1 | 2;

    public const uint ClientNoZeroes = 2;
    public const int OptionHeaderBytes = 16;
    public const int OptionReplyHeaderBytes = 20;
    public const int ExportNameZeroes = 124;
    public const int RequestBytes = 28;
    public const int SimpleReplyBytes = 16;
    public const int ChunkHeaderBytes = 20;
    public const string AllocationContext = "base:allocation";
    public const uint AllocationContextId = 1;

    /// <summary>The extent has no space of its own and reads as zeros.</summary>
    public const uint ExtentHoleAndZero = 1 | 2;

    public const ushort ChunkDone = 1;
    public const uint BlockBytesMin = 1;
    public const uint BlockBytesPreferred = 4096;
}

/// <summary>Options of the handshake.</summary>
internal enum NbdOption : uint
{
    ExportName = 1,
    Abort = 2,
    List = 3,
    Info = 6,
    Go = 7,
    StructuredReply = 8,
    ListMetaContext = 9,
    SetMetaContext = 10,
}

/// <summary>Replies to options.</summary>
internal enum NbdOptionReply : uint
{
    Ack = 1,
    Server = 2,
    Info = 3,
    MetaContext = 4,
    Unsupported = 0x80000001,
    Invalid = 0x80000003,
    Unknown = 0x80000006,
}

/// <summary>Kinds of information about an export.</summary>
internal enum NbdInfo : ushort
{
    Export = 0,
    Name = 1,
    BlockSize = 3,
}

/// <summary>What an export can do, as told to clients.</summary>
[Flags]
internal enum NbdTransmissionFlags : ushort
{
    HasFlags = 1 << 0,
    Flush = 1 << 2,
    ForceUnitAccess = 1 << 3,
    Trim = 1 << 5,
    WriteZeroes = 1 << 6,
    DontFragment = 1 << 7,
    CanMultiConnect = 1 << 8,
}

/// <summary>Commands of the transmission phase.</summary>
internal enum NbdCommand : ushort
{
    Read = 0,
    Write = 1,
    Disconnect = 2,
    Flush = 3,
    Trim = 4,
    WriteZeroes = 6,
    BlockStatus = 7,
}

/// <summary>Flags of a command.</summary>
[Flags]
internal enum NbdCommandFlags : ushort
{
    None = 0,
    ForceUnitAccess = 1 << 0,
    NoHole = 1 << 1,
    DontFragment = 1 << 2,
    RequestOne = 1 << 3,
}

/// <summary>Kinds of chunk of a structured reply.</summary>
internal enum NbdChunk : ushort
{
    None = 0,
    OffsetData = 1,
    BlockStatus = 5,
    Error = 0x8001,
}

/// <summary>Errors as clients know them.</summary>
internal enum NbdError : uint
{
    None = 0,
    Io = 5,
    Invalid = 22,
    NoSpace = 28,
    Overflow = 75,
    NotSupported = 95,
}
