using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.NbdExport.Interop;

namespace StorageOs.NbdExport.Addresses;

/// <summary>
/// Makes the listening socket, when neither node has it. Both may try at the same time: a lock on
/// a file lets one bind and listen while the other is kept out, and then finds the address in use.
/// </summary>
internal static class ListenerBinding
{
    /// <summary>A listening socket; null, and why, when it could not be had now.</summary>
    public static Descriptor? TryBind(AddressSettings settings, out string why)
    {
        try
        {
            // The runtime takes a lock of its own on what it opens, and throws when the other
            // node holds the file's at that moment.
            using SafeFileHandle file = File.OpenHandle(
                settings.LockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite,
                FileShare.ReadWrite | FileShare.Delete);
            if (Libc.flock(file, Constants.LOCK_EX | Constants.LOCK_NB) == 0)
            {
                return Bind(settings, out why);
            }

            why = "the partner is about to listen there";
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            why = failure.Message;
        }

        return null;
    }

    private static Descriptor? Bind(AddressSettings settings, out string why)
    {
        byte[] address = SocketAddress.Internet(settings.Host, settings.Port);
        Descriptor socket = new(Libc.socket(
            BitConverter.ToUInt16(address),
            Constants.SOCK_STREAM | Constants.SOCK_NONBLOCK | Constants.SOCK_CLOEXEC, 0));
        int yes = 1;

        // An address of an interface comes when this node holds it, the socket is there before.
        int early = settings.Interface is null ? 0 : 1;
        bool listening = !socket.IsInvalid
            && Libc.setsockopt(
                socket, Constants.IPPROTO_IP, Constants.IP_FREEBIND, ref early, sizeof(int)) == 0
            && Libc.setsockopt(
                socket, Constants.SOL_SOCKET, Constants.SO_REUSEADDR, ref yes, sizeof(int)) == 0
            && Libc.bind(socket, ref address[0], address.Length) == 0
            && Libc.listen(socket, Limits.Backlog) == 0;
        why = listening ? "" : Marshal.GetLastPInvokeErrorMessage();
        if (listening)
        {
            return socket;
        }

        socket.Dispose();
        return null;
    }

    /// <summary>
    /// Whether what the partner handed over is the listening socket of this address.
    /// </summary>
    public static Refusal? Check(Descriptor socket, AddressSettings settings)
    {
        int listening = 0;
        int bytes = sizeof(int);
        int result = Libc.getsockopt(
            socket, Constants.SOL_SOCKET, Constants.SO_ACCEPTCONN, ref listening, ref bytes);
        ushort port = SocketAddress.PortOf(socket);
        return result == 0 && listening != 0 && port == settings.Port
            ? null
            : new("listening socket", $"one that listens on port {settings.Port}",
                result != 0 ? "no socket" : $"port {port}, listening {listening != 0}");
    }
}
