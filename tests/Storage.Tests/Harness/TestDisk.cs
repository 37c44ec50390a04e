using StorageOs.Volumes;

namespace StorageOs.Storage.Tests.Harness;

/// <summary>A volume's file as bytes; may be full, or broken.</summary>
internal sealed class TestDisk(long size) : IVolumeFile
{
    public byte[] Bytes { get; } = new byte[size];

    public DiskResult Writes { get; set; } = DiskResult.Ok;

    public bool Cached { get; set; } = true;

    public bool TryReadNow(Span<byte> into, long offset)
    {
        if (Cached)
        {
            Bytes.AsSpan((int)offset, into.Length).CopyTo(into);
        }

        return Cached;
    }

    public DiskResult Read(Span<byte> into, long offset)
    {
        Bytes.AsSpan((int)offset, into.Length).CopyTo(into);
        return DiskResult.Ok;
    }

    public DiskResult Write(IReadOnlyList<ReadOnlyMemory<byte>> buffers, long offset)
    {
        foreach (ReadOnlyMemory<byte> buffer in Writes == DiskResult.Ok ? buffers : [])
        {
            buffer.Span.CopyTo(Bytes.AsSpan((int)offset));
            offset += buffer.Length;
        }

        return Writes;
    }

    public DiskResult Punch(long offset, long length)
    {
        Bytes.AsSpan((int)offset, (int)length).Clear();
        return DiskResult.Ok;
    }

    public DiskResult Flush() => Writes;

    public long NextData(long offset)
    {
        int at = Bytes.AsSpan((int)offset).IndexOfAnyExcept((byte)0);
        return at < 0 ? Bytes.Length : (offset + at) & -4096;
    }

    public void Dispose()
    {
    }
}

/// <summary>A worker that works a turn later, and ends another turn later.</summary>
internal sealed class TestWorker(TestReactor reactor, Func<bool> dead) : IWorker
{
    public void Run(WorkItem item) => reactor.Post(_ => Work(item), null);

    public void Dispose()
    {
    }

    private void Work(WorkItem item)
    {
        if (dead())
        {
            return;
        }

        item.Work();
        reactor.Post(
            _ =>
            {
                if (!dead())
                {
                    item.Ended();
                }
            },
            null);
    }
}
