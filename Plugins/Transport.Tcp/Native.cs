using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Tcp;

/// <summary>Turns failures of the operating system into refusals; control path only.</summary>
internal static class Native
{
    /// <summary>The last native call's failure as a refusal.</summary>
    public static RefusedException Failed(string call, string remedy = "")
    {
        int error = Marshal.GetLastPInvokeError();
        return new RefusedException(new Refusal(
            call, "success", $"error {error} ({Marshal.GetPInvokeErrorMessage(error)})", remedy));
    }

    /// <summary>A failed file operation as a refusal.</summary>
    public static RefusedException Refused(string subject, string expected, Exception failure) =>
        new(new Refusal(subject, expected, failure.Message), failure);

    /// <summary>A descriptor from a call that returned one.</summary>
    public static SafeFileHandle Handle(int descriptor, string call) => descriptor >= 0
        ? new SafeFileHandle(descriptor, ownsHandle: true)
        : throw Failed(call, "check the limit of open files");
}
