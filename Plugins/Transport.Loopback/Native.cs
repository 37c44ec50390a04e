using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Loopback;

/// <summary>Turns failures of the operating system into refusals; control path only.</summary>
internal static class Native
{
    /// <summary>A native call's error number as a refusal.</summary>
    public static RefusedException Refused(string call, int error) => new(new Refusal(
        call,
        "success",
        $"error {error} ({Marshal.GetPInvokeErrorMessage(error)})",
        "check free space, limits and rights of the folder"));

    /// <summary>A failed file operation as a refusal.</summary>
    public static RefusedException Refused(string subject, string expected, Exception failure) =>
        new(new Refusal(subject, expected, failure.Message), failure);
}
