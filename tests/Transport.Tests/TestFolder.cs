namespace StorageOs.Transport.Tests;

/// <summary>Folders for fabrics, memory-backed where the machine has it.</summary>
internal static class TestFolder
{
    public static string Make()
    {
        string root = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();
        return Directory.CreateDirectory(
            Path.Combine(root, "storageos-test-" + Guid.NewGuid().ToString("n"))).FullName;
    }
}
