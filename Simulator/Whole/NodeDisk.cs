using StorageOs.Contracts.Runtime;
using StorageOs.Volumes;

namespace StorageOs.Simulator.Whole;

/// <summary>
/// Bytes on a disk: what a process sees, and what a loss of power leaves of it. Of what was not
/// flushed each sector is there or not, in any combination.
/// </summary>
internal sealed class DiskBytes(int size)
{
    private const int SectorBytes = 512;
    private readonly HashSet<int> unflushed = [];

    /// <summary>As a process reads them.</summary>
    public byte[] Current { get; private set; } = new byte[size];

    private byte[] Durable { get; set; } = new byte[size];

    /// <summary>Bytes were changed.</summary>
    public void Changed(long offset, long length)
    {
        for (long sector = offset / SectorBytes; sector * SectorBytes < offset + length; sector++)
        {
            _ = unflushed.Add((int)sector);
        }
    }

    /// <summary>Everything is durable now.</summary>
    public void Flush()
    {
        foreach (int sector in unflushed)
        {
            Copy(Current, Durable, sector);
        }

        unflushed.Clear();
    }

    /// <summary>The machine loses its power.</summary>
    public void LosePower(SeededRandom random)
    {
        foreach (int sector in unflushed.Order())
        {
            if (random.OneIn(2))
            {
                Copy(Durable, Current, sector);
            }
        }

        Flush();
    }

    private static void Copy(byte[] from, byte[] to, int sector)
    {
        int at = sector * SectorBytes;
        int length = Math.Min(SectorBytes, from.Length - at);
        from.AsSpan(at, length).CopyTo(to.AsSpan(at));
    }
}

/// <summary>A small file of a node, as one boot has it open.</summary>
internal sealed class NodeFile(WholeNode node, ulong boot, string path, DiskBytes disk)
    : IStableFile
{
    /// <summary>Bytes of most such files; the product writes two slots of 512.</summary>
    public const int Bytes = 1024;

    /// <summary>Bytes of the record of changes, for volumes as small as these.</summary>
    public const int RecordBytes = 8192;

    /// <inheritdoc/>
    public int Read(Span<byte> into, long offset)
    {
        // A file that was never written is empty.
        if (!disk.Current.AsSpan().ContainsAnyExcept((byte)0))
        {
            return 0;
        }

        disk.Current.AsSpan((int)offset, into.Length).CopyTo(into);
        return into.Length;
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> bytes, long offset)
    {
        node.Point(boot);
        node.RequireRoom(path);
        if (node.DiesHere(boot))
        {
            // Killed in the middle: a first part is there.
            int part = node.World.Random.Below(bytes.Length);
            bytes[..part].CopyTo(disk.Current.AsSpan((int)offset));
            disk.Changed(offset, part);
            node.Point(boot);
        }

        bytes.CopyTo(disk.Current.AsSpan((int)offset));
        disk.Changed(offset, bytes.Length);
        node.Point(boot);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        node.Point(boot);
        disk.Flush();
        node.Point(boot);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}

/// <summary>A volume's file on a node, as one boot has it open.</summary>
internal sealed class NodeVolumeFile(WholeNode node, ulong boot, DiskBytes disk) : IVolumeFile
{
    /// <inheritdoc/>
    public bool TryReadNow(Span<byte> into, long offset)
    {
        if (node.World.Random.OneIn(node.UncachedOneIn))
        {
            return false;
        }

        disk.Current.AsSpan((int)offset, into.Length).CopyTo(into);
        return true;
    }

    /// <inheritdoc/>
    public DiskResult Read(Span<byte> into, long offset)
    {
        node.Point(boot);
        disk.Current.AsSpan((int)offset, into.Length).CopyTo(into);
        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public DiskResult Write(IReadOnlyList<ReadOnlyMemory<byte>> buffers, long offset)
    {
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            node.Point(boot);
            if (node.DiskState != DiskResult.Ok)
            {
                return node.DiskState;
            }

            buffer.Span.CopyTo(disk.Current.AsSpan((int)offset));
            disk.Changed(offset, buffer.Length);
            offset += buffer.Length;
        }

        return DiskResult.Ok;
    }

    /// <inheritdoc/>
    public DiskResult Punch(long offset, long length)
    {
        node.Point(boot);
        if (node.DiskState == DiskResult.Ok)
        {
            disk.Current.AsSpan((int)offset, (int)length).Clear();
            disk.Changed(offset, length);
        }

        return node.DiskState;
    }

    /// <inheritdoc/>
    public DiskResult Flush()
    {
        node.Point(boot);
        if (node.DiskState == DiskResult.Ok)
        {
            disk.Flush();
        }

        return node.DiskState;
    }

    /// <inheritdoc/>
    public long NextData(long offset)
    {
        int at = disk.Current.AsSpan((int)offset).IndexOfAnyExcept((byte)0);
        return at < 0 ? disk.Current.Length : (offset + at) & -Size.Page;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}

/// <summary>A disk worker: one item after the other, each as long as the disk takes.</summary>
internal sealed class NodeWorker(WholeNode node, ulong boot) : IWorker
{
    private readonly Queue<WorkItem> items = new();

    /// <inheritdoc/>
    public void Run(WorkItem item)
    {
        items.Enqueue(item);
        if (items.Count == 1)
        {
            Next();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Next() => node.World.After(
        1 + node.World.Random.Below(node.DiskDelayMax), () => node.Awake(boot, Work));

    private void Work()
    {
        node.Guard(items.Peek().Work);
        if (node.IsIn(boot) && node.DiskAnswersLate)
        {
            node.World.After(
                1 + node.World.Random.Below(node.DiskDelayMax), () => node.Awake(boot, End));
        }
        else if (node.IsIn(boot))
        {
            End();
        }
    }

    private void End()
    {
        node.Reactor.Post(static state => ((WorkItem)state!).Ended(), items.Dequeue());
        if (items.Count != 0)
        {
            Next();
        }
    }
}
