using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>One volume on this node; its group does the work.</summary>
internal sealed class Volume : IVolume, IDisposable
{
    private readonly GroupStore store;

    /// <summary>Makes a volume over an open file.</summary>
    public Volume(VolumeSettings settings, ushort number, GroupStore store, IVolumeFile file)
    {
        Name = settings.Name;
        SizeBytes = settings.SizeBytes;
        Number = number;
        File = file;
        this.store = store;
        Overlay = new Overlay(SizeBytes, store.Segments);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public GroupId Group => store.Group;

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <inheritdoc/>
    public bool Served => store.Served;

    /// <summary>Its number within the group, as log records name it.</summary>
    public ushort Number { get; }

    /// <summary>Its file.</summary>
    public IVolumeFile File { get; }

    /// <summary>What of it stands in the log.</summary>
    public Overlay Overlay { get; }

    /// <summary>The group it belongs to.</summary>
    public GroupStore Store => store;

    /// <inheritdoc/>
    public bool Tracing => store.Tracing;

    /// <inheritdoc/>
    public WriteTrace? BeginTrace(long began) => store.BeginTrace(this, began);

    /// <inheritdoc/>
    public void Submit(VolumeRequest request) => store.Submit(this, request);

    /// <inheritdoc/>
    public void Commit() => store.Commit();

    /// <inheritdoc/>
    public void Extents(long offset, long length, Action<long, bool> extent)
    {
        long end = offset + length;
        while (offset < end)
        {
            bool hole = IsHole(offset, end, out long until);
            extent(until - offset, hole);
            offset = until;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => File.Dispose();

    private bool IsHole(long offset, long end, out long until)
    {
        const int Step = Overlay.BlockBytes;
        Overlay overlay = store.Newest(this);
        long data = File.NextData(offset);
        bool hole = data > offset && !overlay.Touches(offset, 1);
        until = NextBlock(offset);
        while (until < end && hole == (until < data && !overlay.Touches(until, 1))
            && (hole || until < offset + (64 * Step)))
        {
            until += Step;
        }

        until = Math.Min(until, hole && data > offset ? Math.Min(data, end) : end);
        return hole;
    }

    private static long NextBlock(long offset) =>
        (offset / Overlay.BlockBytes * Overlay.BlockBytes) + Overlay.BlockBytes;
}
