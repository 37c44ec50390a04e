using System.Runtime.InteropServices;

namespace StorageOs.NbdExport.Interop;

/// <summary>struct msghdr, linux 64 bit.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MsgHdr
{
    public nint Name;
    public int NameBytes;
    public nint Vectors;
    public nint VectorCount;
    public nint Control;
    public nint ControlBytes;
    public int Flags;
}
