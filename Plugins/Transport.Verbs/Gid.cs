using System.Net;
using System.Runtime.InteropServices;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>GIDs as the addresses they are.</summary>
internal static class Gid
{
    /// <summary>The address; an IPv4 one where the GID maps one.</summary>
    public static IPAddress ToAddress(IbvGid gid)
    {
        IPAddress address = new(MemoryMarshal.AsBytes(new ReadOnlySpan<IbvGid>(in gid)));
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }

    /// <summary>The address without the interface it is local to.</summary>
    public static IPAddress WithoutScope(IPAddress address) =>
        new(address.GetAddressBytes());
}
