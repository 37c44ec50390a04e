using System.Runtime.InteropServices;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>
/// Moves a stretch of a group's log to disk: filled on the reactor, carried out on a worker. The
/// bytes are copied, for the log's memory may move under a fence while the worker still writes.
/// </summary>
internal sealed partial class FlushJob(Action<FlushJob> ended) : WorkItem
{
    /// <summary>Most payload of one job, but for a single record.</summary>
    public const int BytesMax = 4 << 20;

    private const int BytesAtFirst = 64 << 10;

    /// <summary>Most records of one job.</summary>
    public const int PiecesMax = 4096;

    private readonly List<Piece> pieces = new(64);
    private readonly List<ReadOnlyMemory<byte>> buffers = new(64);
    private byte[] bytes = new byte[BytesAtFirst]; // Grows to the largest job there was.
    private int used;

    /// <summary>What to write to; by number of the volume.</summary>
    public IReadOnlyList<Volume> Volumes { get; set; } = [];

    /// <summary>Where the stretch starts.</summary>
    public Lsn From { get; set; }

    /// <summary>Where it ends.</summary>
    public Lsn To { get; set; }

    /// <summary>Whether to flush to stable storage.</summary>
    public bool Sync { get; set; }

    /// <summary>What goes into the record of changes before anything else (L5).</summary>
    public RecordWrite? Marks { get; set; }

    /// <summary>Records before it are in the record of changes, once this was done.</summary>
    public Lsn MarkedTo { get; set; }

    /// <summary>What became of it.</summary>
    public DiskResult Result { get; private set; }

    /// <summary>Whether another record fits: a write never behind a comparison.</summary>
    public bool HasRoom(in LogRecord record)
    {
        int count = pieces.Count + questions.Count;
        bool inOrder = questions.Count == 0 || IsQuestion(record.Entry.Kind);
        return inOrder && count < PiecesMax
            && (count == 0 || used + record.Payload.Length <= BytesMax);
    }

    /// <summary>Forgets what it held.</summary>
    public void Clear()
    {
        pieces.Clear();
        questions.Clear();
        yes.Clear();
        used = 0;
    }

    /// <summary>Takes a record over.</summary>
    public void Add(in LogRecord record)
    {
        int length = record.Payload.Length;
        if (used + length > bytes.Length)
        {
            Array.Resize(ref bytes, Math.Max(used + length, Math.Min(bytes.Length * 2, BytesMax)));
        }

        record.Payload.Span.CopyTo(bytes.AsSpan(used));
        if (IsQuestion(record.Entry.Kind))
        {
            questions.Add(new Question(
                record.Entry.Volume, record.Entry.Offset, record.Entry.Length, used, length,
                record.End));
            used += length;
            return;
        }

        pieces.Add(new Piece(
            record.Entry.Volume,
            record.Entry.Offset,
            record.Entry.Offset + record.Entry.Length,
            record.Entry.Kind is LogEntryKind.Write or LogEntryKind.Copy ? used : -1,
            pieces.Count));
        used += length;
    }

    /// <inheritdoc/>
    public override void Work()
    {
        Result = Marks?.Write() ?? DiskResult.Ok;
        Span<Piece> all = CollectionsMarshal.AsSpan(pieces);
        all.Sort(static (a, b) => a.Volume != b.Volume ? a.Volume.CompareTo(b.Volume)
            : a.Start != b.Start ? a.Start.CompareTo(b.Start) : a.Order.CompareTo(b.Order));
        int first = 0;
        while (first < all.Length && Result == DiskResult.Ok)
        {
            int count = Cluster(all[first..]);
            Result = WriteCluster(all.Slice(first, count));
            first += count;
        }

        Result = Result == DiskResult.Ok ? Compare() : Result;
        foreach (Volume volume in Sync && Result == DiskResult.Ok ? Volumes : [])
        {
            Result = volume.File.Flush();
            if (Result != DiskResult.Ok)
            {
                break;
            }
        }
    }

    /// <inheritdoc/>
    public override void Ended() => ended(this);

    /// <summary>How many of the first pieces overlap or touch one another.</summary>
    private static int Cluster(ReadOnlySpan<Piece> sorted)
    {
        long end = sorted[0].End;
        int count = 1;
        while (count < sorted.Length && count < 512 && sorted[count].Volume == sorted[0].Volume
            && sorted[count].Start <= end)
        {
            end = Math.Max(end, sorted[count].End);
            count++;
        }

        // A cut must not separate overlapping pieces, whose order matters.
        while (count < sorted.Length && sorted[count].Volume == sorted[0].Volume
            && sorted[count].Start < end)
        {
            end = Math.Max(end, sorted[count].End);
            count++;
        }

        return count;
    }

    private DiskResult WriteCluster(Span<Piece> cluster)
    {
        IVolumeFile file = Volumes[cluster[0].Volume].File;
        int kept = NewestOfEqual(cluster);
        cluster = cluster[..kept];
        bool overlaps = false;
        for (int i = 1; i < kept && !overlaps; i++)
        {
            overlaps = cluster[i].Start < cluster[i - 1].End;
        }

        if (overlaps)
        {
            cluster.Sort(static (a, b) => a.Order.CompareTo(b.Order));
        }

        DiskResult result = DiskResult.Ok;
        int at = 0;
        while (at < kept && result == DiskResult.Ok)
        {
            result = WriteRun(file, cluster, ref at, merge: !overlaps);
        }

        return result;
    }

    /// <summary>Of pieces with the same range only the newest is kept; they stand side by
    /// side.</summary>
    private static int NewestOfEqual(Span<Piece> cluster)
    {
        int kept = 0;
        for (int i = 0; i < cluster.Length; i++)
        {
            bool same = kept > 0 && cluster[kept - 1].Start == cluster[i].Start
                && cluster[kept - 1].End == cluster[i].End;
            kept -= same ? 1 : 0;
            cluster[kept++] = cluster[i];
        }

        return kept;
    }

    private DiskResult WriteRun(IVolumeFile file, Span<Piece> pieces, ref int at, bool merge)
    {
        Piece first = pieces[at++];
        if (first.BytesAt < 0)
        {
            return file.Punch(first.Start, first.End - first.Start);
        }

        buffers.Clear();
        buffers.Add(first.Bytes(bytes));
        while (merge && at < pieces.Length && pieces[at].BytesAt >= 0)
        {
            buffers.Add(pieces[at++].Bytes(bytes));
        }

        return file.Write(buffers, first.Start);
    }

    /// <summary>What one record does to one volume.</summary>
    private readonly record struct Piece(
        ushort Volume, long Start, long End, int BytesAt, int Order)
    {
        public ReadOnlyMemory<byte> Bytes(byte[] bytes) =>
            bytes.AsMemory(BytesAt, (int)(End - Start));
    }
}
