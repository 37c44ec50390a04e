using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using StorageOs.Contracts.Runtime;
using StorageOs.NbdExport.Interop;

namespace StorageOs.NbdExport.Addresses;

/// <summary>struct sockaddr in its forms, as bytes.</summary>
internal static class SocketAddress
{
    /// <summary>Longest form that is asked for.</summary>
    public const int BytesMax = 128;

    /// <summary>struct sockaddr_un for a path, with its closing zero.</summary>
    public static byte[] Unix(string path)
    {
        byte[] name = Encoding.UTF8.GetBytes(path);
        Invariant.Require(name.Length <= Limits.SocketPathBytesMax);
        byte[] address = new byte[sizeof(ushort) + name.Length + 1];
        BitConverter.TryWriteBytes(address, (ushort)Constants.AF_UNIX);
        name.CopyTo(address, sizeof(ushort));
        return address;
    }

    /// <summary>struct sockaddr_in or sockaddr_in6.</summary>
    public static byte[] Internet(IPAddress host, ushort port)
    {
        bool four = host.AddressFamily == AddressFamily.InterNetwork;
        byte[] address = new byte[four ? 16 : 28];
        BitConverter.TryWriteBytes(
            address, (ushort)(four ? Constants.AF_INET : Constants.AF_INET6));
        BinaryPrimitives.WriteUInt16BigEndian(address.AsSpan(2), port);
        host.GetAddressBytes().CopyTo(address, four ? 4 : 8);
        if (!four)
        {
            BitConverter.TryWriteBytes(address.AsSpan(24), (uint)host.ScopeId);
        }

        return address;
    }

    /// <summary>The port that a socket is bound to; 0 when it is not an internet socket.</summary>
    public static ushort PortOf(Descriptor socket)
    {
        byte[] address = new byte[BytesMax];
        int bytes = address.Length;
        bool known = Libc.getsockname(socket, ref address[0], ref bytes) == 0 && bytes >= 4
            && BitConverter.ToUInt16(address) is Constants.AF_INET or Constants.AF_INET6;
        return known ? BinaryPrimitives.ReadUInt16BigEndian(address.AsSpan(2)) : (ushort)0;
    }
}
