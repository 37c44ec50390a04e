using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Configuration;

/// <summary>
/// The pair key's file. A key that others of this machine can read proves nothing, so its rights
/// are checked on the opened file, not on the path.
/// </summary>
internal static class KeyFile
{
    private const UnixFileMode Others =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>Reads the key, or says why not.</summary>
    internal static Refusal? TryRead(string path, out ReadOnlyMemory<byte> key)
    {
        key = default;
        string subject = $"key file {path}";
        try
        {
            using SafeFileHandle file = File.OpenHandle(path, options: FileOptions.SequentialScan);
            UnixFileMode mode = File.GetUnixFileMode(file);
            if ((mode & Others) != 0)
            {
                return new Refusal(
                    subject, "rights for its owner only", $"mode {Octal(mode)}",
                    $"chmod 600 {path}");
            }

            // Root may read all keys anyhow, and looks at nodes that run as users of their own.
            uint user = Interop.Statx.geteuid();
            if (user != 0 && Interop.Statx.OwnerOf(file) is { } owner && owner != user)
            {
                return new Refusal(
                    subject, "to be owned by the user of this process", $"owner {owner}",
                    "run this as that user, or as root");
            }

            long length = RandomAccess.GetLength(file);
            if (length is < Limits.KeyBytesMin or > Limits.KeyBytesMax)
            {
                return new Refusal(
                    subject, $"{Limits.KeyBytesMin} to {Limits.KeyBytesMax} bytes", $"{length}");
            }

            byte[] bytes = new byte[length];
            int read = RandomAccess.Read(file, bytes, 0);
            key = bytes.AsMemory(0, read);
            return read == length ? null : new Refusal(subject, $"{length} bytes", $"{read}");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return new Refusal(subject, "a file that can be read", failure.Message);
        }
    }

    private static string Octal(UnixFileMode mode) => Convert.ToString((int)mode, 8);
}
