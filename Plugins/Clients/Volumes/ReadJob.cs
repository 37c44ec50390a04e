using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>A read that has to wait for the disk; pooled.</summary>
internal sealed class ReadJob(Action<ReadJob> ended) : WorkItem
{
    /// <summary>Whose file.</summary>
    public Volume Volume { get; set; } = null!;

    /// <summary>First byte.</summary>
    public long Offset { get; set; }

    /// <summary>Where to.</summary>
    public Memory<byte> Into { get; set; }

    /// <summary>The request it is for; null for a copy's read.</summary>
    public VolumeRequest? Request { get; set; }

    /// <summary>Which of the two counts of readers it is in (see GroupStore.Flush).</summary>
    public int Side { get; set; }

    /// <summary>For a copy: start of the first data at or after <see cref="Offset"/>.</summary>
    public long NextData { get; private set; }

    /// <summary>What became of it.</summary>
    public DiskResult Result { get; private set; }

    /// <inheritdoc/>
    public override void Work()
    {
        NextData = Request is null ? Volume.File.NextData(Offset) : Offset;
        Result = NextData < Offset + Into.Length
            ? Volume.File.Read(Into.Span, Offset)
            : DiskResult.Ok;
    }

    /// <inheritdoc/>
    public override void Ended() => ended(this);
}
