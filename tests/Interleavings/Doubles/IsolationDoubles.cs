namespace StorageOs.Kernel.Isolation.Interop;

/// <summary>
/// A file that two processes map: here the same bytes for whoever opens the same path.
/// </summary>
internal sealed class SharedFile : IDisposable
{
    private static readonly Dictionary<string, byte[]> Files = [];
    private readonly byte[] bytes;

    private SharedFile(byte[] bytes) => this.bytes = bytes;

    internal static SharedFile Create(string path, int length)
    {
        Files[path] = new byte[length];
        return new SharedFile(Files[path]);
    }

    internal static SharedFile Open(string path, int length) => new(Files[path]);

    internal Span<byte> GetSpan() => bytes;

    public void Dispose()
    {
        // Nothing is mapped.
    }
}
