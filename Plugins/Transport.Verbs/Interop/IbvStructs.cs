using System.Runtime.InteropServices;

namespace StorageOs.Transport.Verbs.Interop;

// Structs of infiniband/verbs.h as they lie in memory on linux-x64. Every C program inlines these
// offsets, so they cannot change; a test compares each with what a C compiler says. Structs that
// differ between versions (verbs_context, the end of ibv_port_attr) are not mirrored.

/// <summary>Offsets of fields that are read through a pointer.</summary>
internal static class IbvOffsets
{
    internal const int ContextDevice = 0;
    internal const int ContextPollCq = 96;
    internal const int ContextReqNotifyCq = 104;
    internal const int ContextPostSend = 208;
    internal const int ContextAsyncFd = 268;
    internal const int QpContext = 0;
    internal const int QpNumber = 52;
    internal const int CqContext = 0;
    internal const int MrLkey = 36;
    internal const int MrRkey = 40;
    internal const int CompChannelFd = 8;
}

/// <summary>struct ibv_sge.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IbvSge
{
    internal ulong Address;
    internal uint Length;
    internal uint Lkey;
}

/// <summary>struct ibv_send_wr, the fields of one-sided operations.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal unsafe struct IbvSendWr
{
    [FieldOffset(0)]
    internal ulong WrId;

    [FieldOffset(8)]
    internal IbvSendWr* Next;

    [FieldOffset(16)]
    internal IbvSge* SgList;

    [FieldOffset(24)]
    internal int NumSge;

    [FieldOffset(28)]
    internal uint Opcode;

    [FieldOffset(32)]
    internal uint SendFlags;

    [FieldOffset(36)]
    internal uint ImmData;

    [FieldOffset(40)]
    internal ulong RemoteAddress;

    [FieldOffset(48)]
    internal uint Rkey;
}

/// <summary>struct ibv_wc.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IbvWc
{
    internal ulong WrId;
    internal uint Status;
    internal uint Opcode;
    internal uint VendorError;
    internal uint ByteLength;
    internal uint ImmData;
    internal uint QpNumber;
    internal uint SourceQp;
    internal uint Flags;
    internal ushort PkeyIndex;
    internal ushort Slid;
    internal byte ServiceLevel;
    internal byte DlidPathBits;
}

/// <summary>struct ibv_qp_cap.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IbvQpCap
{
    internal uint MaxSendWr;
    internal uint MaxRecvWr;
    internal uint MaxSendSge;
    internal uint MaxRecvSge;
    internal uint MaxInlineData;
}

/// <summary>struct ibv_qp_init_attr.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IbvQpInitAttr
{
    internal nint QpContext;
    internal nint SendCq;
    internal nint RecvCq;
    internal nint Srq;
    internal IbvQpCap Cap;
    internal uint QpType;
    internal int SqSigAll;
}

/// <summary>union ibv_gid, in network byte order.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IbvGid
{
    internal ulong Upper;
    internal ulong Lower;
}

/// <summary>struct ibv_ah_attr with its ibv_global_route.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IbvAhAttr
{
    internal IbvGid DestinationGid;
    internal uint FlowLabel;
    internal byte SourceGidIndex;
    internal byte HopLimit;
    internal byte TrafficClass;
    internal ushort Dlid;
    internal byte ServiceLevel;
    internal byte SourcePathBits;
    internal byte StaticRate;
    internal byte IsGlobal;
    internal byte PortNumber;
}

/// <summary>struct ibv_qp_attr.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IbvQpAttr
{
    internal uint QpState;
    internal uint CurrentQpState;
    internal uint PathMtu;
    internal uint PathMigrationState;
    internal uint Qkey;
    internal uint RqPsn;
    internal uint SqPsn;
    internal uint DestinationQpNumber;
    internal uint QpAccessFlags;
    internal IbvQpCap Cap;
    internal IbvAhAttr AhAttr;
    internal IbvAhAttr AlternateAhAttr;
    internal ushort PkeyIndex;
    internal ushort AlternatePkeyIndex;
    internal byte EnSqdAsyncNotify;
    internal byte SqDraining;
    internal byte MaxRdAtomic;
    internal byte MaxDestinationRdAtomic;
    internal byte MinRnrTimer;
    internal byte PortNumber;
    internal byte Timeout;
    internal byte RetryCount;
    internal byte RnrRetry;
    internal byte AlternatePortNumber;
    internal byte AlternateTimeout;
    internal uint RateLimit;
}

/// <summary>struct ibv_async_event.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IbvAsyncEvent
{
    internal nint Element;
    internal uint EventType;
}

/// <summary>The fields of struct ibv_device_attr that are used.</summary>
[StructLayout(LayoutKind.Explicit, Size = 232)]
internal struct IbvDeviceAttr
{
    [FieldOffset(108)]
    internal int MaxQp;

    [FieldOffset(112)]
    internal int MaxQpWr;

    [FieldOffset(132)]
    internal int MaxCqe;

    [FieldOffset(144)]
    internal int MaxQpRdAtom;

    [FieldOffset(156)]
    internal int MaxQpInitRdAtom;

    [FieldOffset(227)]
    internal byte PhysicalPortCount;
}

/// <summary>
/// The fields of struct ibv_port_attr that every version of the library fills; the room behind
/// them is for what newer ones add.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct IbvPortAttr
{
    [FieldOffset(0)]
    internal uint State;

    [FieldOffset(4)]
    internal uint MaxMtu;

    [FieldOffset(8)]
    internal uint ActiveMtu;

    [FieldOffset(12)]
    internal int GidTableLength;

    [FieldOffset(34)]
    internal ushort Lid;

    [FieldOffset(46)]
    internal byte LinkLayer;
}

/// <summary>struct ibv_gid_entry.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IbvGidEntry
{
    internal IbvGid Gid;
    internal uint GidIndex;
    internal uint PortNumber;
    internal uint GidType;
    internal uint NetDeviceIndex;
}
