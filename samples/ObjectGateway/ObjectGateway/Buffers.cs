using System.Collections.Concurrent;
using Sample.ObjectGateway.Core;

namespace Sample.ObjectGateway;

/// <summary>
/// One chunk each for requests that move bytes. There are so many and no more: who finds none
/// waits, and so does its client, for nothing is read of it meanwhile. Any thread.
/// </summary>
internal sealed class Buffers : IDisposable
{
    /// <summary>How many; 16 MiB together.</summary>
    public const int Count = 64;

    private readonly SemaphoreSlim free = new(Count);
    private readonly ConcurrentBag<byte[]> spare = [];

    /// <summary>Waits for one.</summary>
    public async Task<byte[]> RentAsync(CancellationToken cancellation)
    {
        await free.WaitAsync(cancellation);
        return spare.TryTake(out byte[]? buffer) ? buffer : new byte[Layout.ChunkBytes];
    }

    /// <summary>Gives it back; nothing of the volume uses it any more.</summary>
    public void Return(byte[] buffer)
    {
        spare.Add(buffer);
        _ = free.Release();
    }

    /// <inheritdoc/>
    public void Dispose() => free.Dispose();
}
