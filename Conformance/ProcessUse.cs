namespace StorageOs.Conformance;

/// <summary>
/// What this process holds of the operating system; zeros where that cannot be told.
/// </summary>
internal static class ProcessUse
{
    /// <summary>Open descriptors and mappings now, after collecting what is garbage.</summary>
    public static (int Files, int Maps) Now()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Directory.Exists("/proc/self/fd")
            ? (Directory.GetFileSystemEntries("/proc/self/fd").Length,
                File.ReadAllLines("/proc/self/maps").Length)
            : (0, 0);
    }
}
