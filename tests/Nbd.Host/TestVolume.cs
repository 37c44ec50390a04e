using StorageOs.Contracts.Services;

namespace StorageOs.Nbd.Host;

/// <summary>
/// A volume over memory or over a file that two hosts share. May hold its requests back, as a
/// frozen volume does, and answer them later.
/// </summary>
internal sealed class TestVolume : IVolume
{
    private const int Page = 4096;
    private readonly byte[]? memory;
    private readonly Microsoft.Win32.SafeHandles.SafeFileHandle? file;
    private readonly bool[] allocated;
    private readonly Queue<VolumeRequest> held = new();

    /// <summary>Makes a volume; over <paramref name="path"/> when it is not null.</summary>
    public TestVolume(string name, GroupId group, long sizeBytes, string? path)
    {
        Name = name;
        Group = group;
        SizeBytes = sizeBytes;
        allocated = new bool[sizeBytes / Page];
        if (path is null)
        {
            memory = new byte[sizeBytes];
        }
        else
        {
            file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite,
                FileShare.ReadWrite);
            RandomAccess.SetLength(file, sizeBytes);
        }
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public GroupId Group { get; }

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <inheritdoc/>
    public bool Served { get; set; }

    /// <summary>Whether requests wait.</summary>
    public bool Frozen { get; set; }

    /// <summary>
    /// Whether what waits is answered by a commit and by nothing else, as a lone owner's log does.
    /// </summary>
    public bool AnswersInCommit { get; set; }

    /// <summary>What requests are answered with.</summary>
    public VolumeStatus Status { get; set; }

    /// <summary>Commits so far.</summary>
    public int Commits { get; private set; }

    /// <summary>Requests so far.</summary>
    public int Requests { get; private set; }

    /// <summary>Requests with force unit access so far.</summary>
    public int Forced { get; private set; }

    /// <summary>Requests that wait.</summary>
    public int Waiting => held.Count;

    /// <inheritdoc/>
    public bool Tracing { get; set; }

    /// <summary>Traces that were begun.</summary>
    public List<WriteTrace> Traces { get; } = [];

    /// <inheritdoc/>
    public WriteTrace? BeginTrace(long began)
    {
        Traces.Add(new WriteTrace(Traces.Count, TimeProvider.System));
        Traces[^1].Begin(began);
        return Traces[^1];
    }

    /// <inheritdoc/>
    public void Submit(VolumeRequest request)
    {
        request.Trace?.Mark("volume");
        Requests++;
        Forced += request.ForceUnitAccess ? 1 : 0;
        if (Frozen)
        {
            held.Enqueue(request);
        }
        else
        {
            request.Complete(Status == VolumeStatus.Ok ? Execute(request) : Status);
        }
    }

    /// <summary>Answers what waits.</summary>
    public void AnswerAll(VolumeStatus status)
    {
        while (held.TryDequeue(out VolumeRequest? request))
        {
            request.Complete(status == VolumeStatus.Ok ? Execute(request) : status);
        }
    }

    /// <inheritdoc/>
    public void Commit()
    {
        Commits++;
        for (int left = AnswersInCommit ? held.Count : 0; left > 0; left--)
        {
            VolumeRequest request = held.Dequeue();
            request.Complete(VolumeStatus.Ok);
        }
    }

    /// <inheritdoc/>
    public void Extents(long offset, long length, Action<long, bool> extent)
    {
        long end = offset + length;
        while (offset < end)
        {
            long next = Math.Min(end, (offset / Page * Page) + Page);
            extent(next - offset, !allocated[offset / Page]);
            offset = next;
        }
    }

    private VolumeStatus Execute(VolumeRequest request)
    {
        if (request.Offset < 0 || request.Offset + request.Length > SizeBytes)
        {
            return VolumeStatus.OutOfRange;
        }

        switch (request.Operation)
        {
            case VolumeOperation.Read when memory is not null:
                memory.AsSpan((int)request.Offset, request.Length).CopyTo(request.Buffer.Span);
                break;
            case VolumeOperation.Read:
                RandomAccess.Read(file!, request.Buffer.Span[..request.Length], request.Offset);
                break;
            case VolumeOperation.Write:
                Put(request.Offset, request.Buffer.Span[..request.Length]);
                Mark(request, true);
                break;
            case VolumeOperation.Trim:
                Put(request.Offset, new byte[request.Length]);
                Mark(request, false);
                break;
            case VolumeOperation.WriteZeroes:
                Put(request.Offset, new byte[request.Length]);
                Mark(request, true);
                break;
            default:
                break;
        }

        return VolumeStatus.Ok;
    }

    private void Put(long offset, ReadOnlySpan<byte> bytes)
    {
        if (memory is not null)
        {
            bytes.CopyTo(memory.AsSpan((int)offset));
        }
        else
        {
            RandomAccess.Write(file!, bytes, offset);
        }
    }

    private void Mark(VolumeRequest request, bool value)
    {
        long end = request.Offset + request.Length;
        for (long page = request.Offset / Page; page * Page < end; page++)
        {
            bool whole = page * Page >= request.Offset && (page + 1) * Page <= end;
            allocated[page] = value || (!whole && allocated[page]);
        }
    }
}
