namespace StorageOs.Witness.Etcd;

/// <summary>Small files that the settings name.</summary>
internal static class SecretFile
{
    private const int BytesMax = 64 * 1024;

    private const UnixFileMode Owner =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The text of a file that nobody but its owner may read.</summary>
    public static string Text(string key, string path) => Read(key, path, secret: true);

    /// <summary>The text of a file that anybody may read.</summary>
    public static string PublicText(string key, string path) => Read(key, path, secret: false);

    private static string Read(string key, string path, bool secret)
    {
        if (!Path.IsPathFullyQualified(path))
        {
            throw EtcdSettings.Refused(key, "the full path of a file", $"\"{path}\"");
        }

        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read);
            UnixFileMode mode = File.GetUnixFileMode(file.SafeFileHandle);
            if (secret && (mode & ~Owner) != 0)
            {
                throw EtcdSettings.Refused(
                    key, $"rights for its owner only (chmod 600 {path})", $"{mode}");
            }

            if (file.Length > BytesMax)
            {
                throw EtcdSettings.Refused(
                    key, $"a file of at most {BytesMax} bytes", $"{file.Length}");
            }

            using StreamReader reader = new(file);
            return reader.ReadToEnd();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw EtcdSettings.Refused(key, "a file that can be read", failure.Message, failure);
        }
    }
}
