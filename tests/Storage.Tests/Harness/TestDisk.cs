using StorageOs.Volumes;

namespace StorageOs.Storage.Tests.Harness;

/// <summary>A volume's file as bytes; may be full, or broken.</summary>
internal sealed class TestDisk(long size) : IVolumeFile
{
    public byte[] Bytes { get; } = new byte[size];

    /// <summary>What a loss of power leaves.</summary>
    public byte[] Durable { get; } = new byte[size];

    public DiskResult Writes { get; set; } = DiskResult.Ok;

    public DiskResult Flushes { get; set; } = DiskResult.Ok;

    /// <summary>A byte that cannot be read; below zero for none.</summary>
    public long UnreadableAt { get; set; } = -1;

    /// <summary>How often anything was written.</summary>
    public int Changes { get; private set; }

    /// <summary>Spoils what a write has just put there: offset and length.</summary>
    public Action<TestDisk, long, long>? Wrote { get; set; }

    public bool Cached { get; set; } = true;

    public bool TryReadNow(Span<byte> into, long offset)
    {
        bool now = Cached && !IsUnreadable(offset, into.Length);
        if (now)
        {
            Bytes.AsSpan((int)offset, into.Length).CopyTo(into);
        }

        return now;
    }

    public DiskResult Read(Span<byte> into, long offset)
    {
        if (IsUnreadable(offset, into.Length))
        {
            return DiskResult.Failed;
        }

        Bytes.AsSpan((int)offset, into.Length).CopyTo(into);
        return DiskResult.Ok;
    }

    private bool IsUnreadable(long offset, int length) =>
        UnreadableAt >= offset && UnreadableAt < offset + length;

    public DiskResult Write(IReadOnlyList<ReadOnlyMemory<byte>> buffers, long offset)
    {
        foreach (ReadOnlyMemory<byte> buffer in Writes == DiskResult.Ok ? buffers : [])
        {
            buffer.Span.CopyTo(Bytes.AsSpan((int)offset));
            Changes++;
            Wrote?.Invoke(this, offset, buffer.Length);
            offset += buffer.Length;
        }

        return Writes;
    }

    public DiskResult Punch(long offset, long length)
    {
        if (Writes == DiskResult.Ok)
        {
            Bytes.AsSpan((int)offset, (int)length).Clear();
            Changes++;
            Wrote?.Invoke(this, offset, length);
        }

        return Writes;
    }

    public DiskResult Flush()
    {
        if (Flushes == DiskResult.Ok)
        {
            Bytes.CopyTo(Durable, 0);
        }

        return Flushes;
    }

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
internal sealed class TestWorker(TestReactor reactor, Func<bool> dead, Func<bool> held) : IWorker
{
    private readonly HashSet<WorkItem> running = [];
    private readonly Queue<WorkItem> waiting = new();

    /// <summary>Runs an item, which must not run already: its owner has one only.</summary>
    public void Run(WorkItem item)
    {
        Assert.True(running.Add(item), "one item was started twice");
        if (held())
        {
            waiting.Enqueue(item);
            return;
        }

        reactor.Post(_ => Work(item), null);
    }

    /// <summary>Goes on with what was held.</summary>
    public void Release()
    {
        while (waiting.TryDequeue(out WorkItem? item))
        {
            reactor.Post(state => Work((WorkItem)state!), item);
        }
    }

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
        running.Remove(item);
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
