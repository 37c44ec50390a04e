using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>Turns failures of native calls into refusals; control path only.</summary>
internal static class Native
{
    /// <summary>A native call's error number as a refusal.</summary>
    public static RefusedException Refused(string call, int error, string? remedy = null) =>
        new(new Refusal(
            call,
            "success",
            $"error {error} ({Marshal.GetPInvokeErrorMessage(error)})",
            remedy ?? Remedy(error)));

    /// <summary>A failed file operation as a refusal.</summary>
    public static RefusedException Refused(string subject, string expected, Exception failure) =>
        new(new Refusal(subject, expected, failure.Message), failure);

    /// <summary>The pointer a call returned; null is its failure.</summary>
    public static nint Pointer(string call, nint result) => result != 0
        ? result
        : throw Refused(call, Marshal.GetLastPInvokeError());

    /// <summary>For calls that return the error number.</summary>
    public static void Zero(string call, int error)
    {
        if (error != 0)
        {
            throw Refused(call, error > 0 ? error : Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>For calls that return -1 and leave the error number.</summary>
    public static int Success(string call, int result) => result >= 0
        ? result
        : throw Refused(call, Marshal.GetLastPInvokeError());

    private static string Remedy(int error) => error switch
    {
        Libc.ENOMEM => "allow the process to lock more memory (LimitMEMLOCK=infinity in its "
            + "unit, or ulimit -l unlimited), or make regions smaller",
        Libc.EACCES => "give the process rights to /dev/infiniband (run it as root)",
        Libc.ENODEV or Libc.EADDRNOTAVAIL => "give an address of an interface that belongs to "
            + "an RDMA device (see 'rdma link' and 'ip address'), and bring it up",
        Libc.EADDRINUSE => "another process listens on this port: stop it or take another port",
        _ => "see 'rdma link', 'ibv_devinfo' and the kernel's log",
    };
}
