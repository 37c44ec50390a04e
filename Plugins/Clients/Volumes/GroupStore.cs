using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Volumes.Core;
using StorageOs.Volumes.Traces;

namespace StorageOs.Volumes;

/// <summary>
/// The volumes of one group. This part: requests. Others: moving the log to disk, the record of
/// what this node has changed alone, and making a stale partner equal. One reactor thread, no
/// locks.
/// </summary>
/// <remarks>
/// A write is appended to the log, acknowledged with it, and only then put into the overlay, which
/// is where reads see it (L1). A read is answered only after the log has proved that this node
/// still owns the group (S5). Frozen, both simply wait.
/// </remarks>
internal sealed partial class GroupStore
{
    private const int PieceBytesMax = Size.MiB;
    private const int ZeroBytesMax = 64 * Size.MiB;

    private readonly IGroupLog log;
    private readonly IReactor reactor;
    private readonly IWorker reader;
    private readonly IWorker writer;
    private readonly bool power;
    private readonly Stack<ReadJob> readJobs = new();
    private readonly List<Volume> volumes = [];
    private RequestQueue appending; // The log was full, or others waited for it before.
    private RequestQueue acking; // Appended; in order of their LSNs.
    private RequestQueue held; // Drained: not begun.
    private RequestQueue later; // Submitted by who was being answered: asked in a turn of its own.
    private ulong indexed; // The overlay holds what is acknowledged before it.
    private ulong ownership; // Grows with each loss: requests die with it (S8).
    private int unanswered;
    private int answering; // Calls of those whose requests are answered that have not returned.
    private TaskCompletionSource? drained;
    private bool draining;
    private bool served;
    private bool stopped; // The log may go on for a while, and say that this node owns.
    private LogRole lastRole;

    /// <summary>Makes a store for a group; volumes are added before it is used.</summary>
    public GroupStore(
        IGroupLog log, NodeInfo node, ResyncSettings settings, ScrubSettings scrubSettings,
        IReactor reactor, IWorker reader, IWorker writer, ILogger logger, WriteTraces traces)
    {
        this.traces = traces;
        this.log = log;
        this.node = node;
        this.settings = settings;
        this.logger = logger;
        pace = settings.Pace();
        this.scrubSettings = scrubSettings;
        scrubPace = scrubSettings.Pace();
        record = new ChangeRecord(new Granules([]), 0, "");
        this.reactor = reactor;
        this.reader = reader;
        this.writer = writer;
        power = node.Persistence == PersistenceLevel.Power;
        job = new FlushJob(FlushEnded) { Sync = power };
        copyRead = new ReadJob(CopyReadEnded);
        scrubRead = new ReadJob(ScrubReadEnded);
        log.Reset += OnReset;
        log.Advanced += OnAdvanced;
        log.Changed += OnChanged;
        log.SpaceFreed += OnSpaceFreed;
    }

    /// <summary>Called when <see cref="Served"/> changed.</summary>
    public event Action? ServingChanged;

    /// <summary>The group.</summary>
    public GroupId Group => log.Group;

    /// <summary>Segments of all the group's overlays.</summary>
    public SegmentPool Segments { get; } = new();

    /// <summary>Whether requests are taken.</summary>
    public bool Served => !stopped && log.Role
        is LogRole.Mirrored or LogRole.Alone or LogRole.Resyncing or LogRole.Frozen;

    /// <summary>Requests taken and not answered.</summary>
    public int Unanswered => unanswered;

    /// <summary>The group's volumes; their place is their number.</summary>
    public IReadOnlyList<Volume> Volumes => volumes;

    /// <summary>Adds a volume.</summary>
    public void Add(Volume volume) => volumes.Add(volume);

    /// <summary>
    /// Refuses a log with records that no volume has room for, which replay would pass over
    /// in silence. A file remembers what size it had, a device does not.
    /// </summary>
    /// <exception cref="RefusedException">A volume is smaller than it was, or gone.</exception>
    public void RequireRoom()
    {
        if (log.Summary.Forgot)
        {
            return; // L7: what it holds never counts again, and the partner makes it anew.
        }

        Lsn at = Later(log.Flushed, log.Summary.Head);
        while (log.TryRead(at, out LogRecord found, out at))
        {
            if (ChangesADisk(found.Entry.Kind) && VolumeOf(found) is null)
            {
                throw new RefusedException(NoRoom(found));
            }
        }
    }

    /// <summary>Takes up what the log and the record hold; called when all volumes are
    /// there.</summary>
    public void Start(IStableFile recordFile)
    {
        job.Volumes = volumes;
        OpenRecord(recordFile);
        OnReset();
        OnChanged();
    }

    /// <summary>Ends what waits, and the listening.</summary>
    public void Stop()
    {
        stopped = true;
        log.Reset -= OnReset;
        log.Advanced -= OnAdvanced;
        log.Changed -= OnChanged;
        log.SpaceFreed -= OnSpaceFreed;
        DropAll();
        EndCopy(false);
        job.Marks?.Dispose();
        scrub = null;
    }

    /// <summary>See <see cref="IVolume.Submit"/>.</summary>
    public void Submit(Volume volume, VolumeRequest request)
    {
        if (!Served)
        {
            request.Complete(VolumeStatus.NotOwner);
            return;
        }

        if (!InRange(volume, request))
        {
            request.Complete(VolumeStatus.OutOfRange);
            return;
        }

        if (request.Trace is not null || traces.Armed)
        {
            TraceSubmitted(volume, request);
        }

        request.Attachment = volume;
        request.SubmittedBy = SynchronizationContext.Current;
        request.Progress = 0;
        if (draining)
        {
            held.Enqueue(request);
        }
        else if (answering > 0 && MayBeAnsweredAtOnce(request))
        {
            Defer(request);
        }
        else if (held.First is not null)
        {
            held.Enqueue(request); // Those that were held are being begun, and go first.
        }
        else
        {
            Begin(request);
        }
    }

    /// <summary>
    /// Who asks again from each answer would be answered within that call, and so on until the
    /// stack ends; or in turn, and nobody else on this reactor would have one.
    /// </summary>
    private void Defer(VolumeRequest request)
    {
        if (later.First is null)
        {
            reactor.Post(static store => ((GroupStore)store!).BeginDeferred(), this);
        }

        unanswered++;
        later.Enqueue(request);
    }

    private void BeginDeferred()
    {
        RequestQueue waiting = later.TakeAll();
        while (waiting.First is not null)
        {
            unanswered--;
            Begin(waiting.Dequeue());
        }
    }

    /// <summary>A write is not, for it waits for a commit; but an empty one.</summary>
    private static bool MayBeAnsweredAtOnce(VolumeRequest request) =>
        request.Operation is VolumeOperation.Read or VolumeOperation.Flush || request.Length == 0;

    /// <summary>See <see cref="IVolume.Commit"/>.</summary>
    public void Commit()
    {
        if (!stopped)
        {
            log.Commit();
        }
    }

    /// <summary>See <see cref="IVolumes.DrainAsync"/>.</summary>
    public async ValueTask DrainAsync(CancellationToken cancellation)
    {
        draining = true;
        HoldWaiting();
        log.Commit();
        if (unanswered == 0)
        {
            return;
        }

        // Canceled itself, not by a task around it: that one would end on a thread of the pool.
        TaskCompletionSource waiter = drained is { Task.IsCompleted: false } earlier
            ? earlier
            : new(TaskCreationOptions.RunContinuationsAsynchronously);
        drained = waiter;
        using CancellationTokenRegistration canceled =
            cancellation.Register(() => waiter.TrySetCanceled(cancellation));
        await waiter.Task.ConfigureAwait(true);
    }

    /// <summary>See <see cref="IVolumes.Resume"/>.</summary>
    public void Resume()
    {
        draining = false;
        while (!draining && held.First is not null)
        {
            VolumeRequest request = held.Dequeue();
            request.Trace?.Mark(HeldStep);
            Begin(request);
        }

        log.Commit();
    }

    /// <summary>
    /// What waits for room in a full log has not begun: an owner whose disk failed never gets room,
    /// and must be able to hand over all the same.
    /// </summary>
    private void HoldWaiting()
    {
        RequestQueue waiting = appending.TakeAll();
        while (waiting.First is not null)
        {
            unanswered--;
            held.Enqueue(waiting.Dequeue());
        }
    }

    private static bool InRange(Volume volume, VolumeRequest request) =>
        request.Operation == VolumeOperation.Flush
        || (request.Offset >= 0 && request.Length >= 0
            && request.Offset <= volume.SizeBytes - request.Length
            && (request.Operation is VolumeOperation.Trim or VolumeOperation.WriteZeroes
                || request.Buffer.Length >= request.Length));

    private void Begin(VolumeRequest request)
    {
        unanswered++;
        if (copy is not null)
        {
            pace.NoteClient(reactor.Now);
        }

        if (request.Operation is VolumeOperation.Read or VolumeOperation.Flush)
        {
            request.WaitsFor = new Lsn(ownership);
            log.Prove(
                static (state, outcome) => Proved((VolumeRequest)state, outcome), request);
        }
        else if (appending.First is not null || !Append(request))
        {
            appending.Enqueue(request);
            KickFlush();
        }
    }

    /// <summary>Appends what is left of a request; false when the log is full (L4).</summary>
    private bool Append(VolumeRequest request)
    {
        Volume volume = (Volume)request.Attachment!;
        LogEntryKind kind = request.Operation switch
        {
            VolumeOperation.Write => LogEntryKind.Write,
            VolumeOperation.Trim => LogEntryKind.Trim,
            _ => LogEntryKind.WriteZeroes,
        };
        bool carries = kind == LogEntryKind.Write;
        int most = carries ? pieceBytes : ZeroBytesMax;
        Lsn lsn = log.Acknowledged; // For an empty request: nothing to wait for.
        while (request.Progress < request.Length)
        {
            int length = Math.Min(most, request.Length - request.Progress);
            ReadOnlySpan<byte> payload =
                carries ? request.Buffer.Span.Slice(request.Progress, length) : default;
            LogEntry entry = new(
                kind, volume.Number, request.Offset + request.Progress, length);
            AppendOutcome outcome = log.TryAppend(entry, payload, out lsn);
            if (outcome == AppendOutcome.Full)
            {
                return false;
            }

            if (outcome == AppendOutcome.NotOwner)
            {
                Answer(request, VolumeStatus.NotOwner);
                return true;
            }

            request.Progress += length;
        }

        request.WaitsFor = lsn;
        if (request.Trace is not null)
        {
            TraceAppended(request);
        }

        NoteWritten(volume, request.Offset, request.Length);
        acking.Enqueue(request);
        if (request.Length == 0)
        {
            AnswerAcknowledged();
        }

        return true;
    }

    private static void Proved(VolumeRequest request, LogOutcome outcome)
    {
        Volume volume = (Volume)request.Attachment!;
        GroupStore store = volume.Store;
        if (outcome != LogOutcome.Ok || !store.Served)
        {
            store.Answer(request, VolumeStatus.NotOwner);
        }
        else if (request.Operation == VolumeOperation.Read)
        {
            store.Read(volume, request);
        }
        else
        {
            request.Trace?.Mark(DurableStep);
            store.Answer(request, VolumeStatus.Ok);
        }
    }

    private void Read(Volume volume, VolumeRequest request)
    {
        Span<byte> into = request.Buffer.Span[..request.Length];
        Overlay overlay = Newest(volume);
        if (overlay.Covers(request.Offset, request.Length)
            || volume.File.TryReadNow(into, request.Offset))
        {
            overlay.Apply(request.Offset, into, log);
            Answer(request, VolumeStatus.Ok);
            return;
        }

        ReadJob read = readJobs.Count != 0 ? readJobs.Pop() : new ReadJob(ReadEnded);
        read.Volume = volume;
        read.Offset = request.Offset;
        read.Into = request.Buffer[..request.Length];
        read.Request = request;
        StartRead(read);
    }

    private void ReadEnded(ReadJob read)
    {
        VolumeRequest request = read.Request!;
        EndRead(read);
        bool ours = request.WaitsFor.Value == ownership && Served;
        if (ours && read.Result == DiskResult.Ok)
        {
            Newest(read.Volume).Apply(read.Offset, read.Into.Span, log);
        }

        read.Request = null;
        read.Into = default;
        readJobs.Push(read);
        Answer(request, !ours ? VolumeStatus.NotOwner
            : read.Result == DiskResult.Ok ? VolumeStatus.Ok : VolumeStatus.IoError);
    }

    private void OnSpaceFreed()
    {
        // Those that waited go first; what they submit when answered queues behind the others.
        RequestQueue waiting = appending.TakeAll();
        while (waiting.First is not null)
        {
            VolumeRequest request = waiting.Dequeue();
            request.Trace?.Mark(FullStep);
            if (appending.First is not null || !Append(request))
            {
                appending.Enqueue(request);
            }
        }

        PumpCopy();
        log.Commit();
    }

    private void OnReset()
    {
        foreach (Volume volume in volumes)
        {
            volume.Overlay.Clear();
        }

        Segments.Clear();
        indexed = Math.Max(log.Flushed.Value, log.Summary.Head.Value);
        abandoned |= flushRunning;
        int most = ((int)log.Summary.CapacityBytes / 8) - 128;
        pieceBytes = Math.Clamp(most & -Size.Page, Size.Page, PieceBytesMax);
        if (retryAt is not null)
        {
            retryAt = null;
            record.WriteAgain(); // What the flush had taken of it is in no file.
        }

        due = null;
        if (lastRole == LogRole.Passive && log.Role == LogRole.Passive)
        {
            fault = null; // The owner made this copy anew, and makes the disk equal.
            adopted = true;
        }
    }

    private void OnChanged()
    {
        NoteSpell();
        if (log.Role == LogRole.Alone && lastRole != LogRole.Alone)
        {
            WentAlone();
        }

        lastRole = log.Role;
        if (fault is not null)
        {
            log.MarkDamaged(fault.ToString()); // L3: who follows with a bad disk is stale.
        }

        if (!Served)
        {
            DropAll();
            EndCopy(false);
        }
        else if (log.Role != LogRole.Resyncing)
        {
            EndCopy(false);
        }

        if (Served != served)
        {
            served = Served;
            ServingChanged?.Invoke();
        }
    }

    private void OnAdvanced()
    {
        if (Served)
        {
            Index();
            AnswerAcknowledged();
        }

        ConsiderFlush();
        PumpCopy();
    }

    /// <summary>
    /// A volume's overlay with all in it that is acknowledged. A change of role, a proof and an
    /// advance are told one after the other, and who is told the first may read in that very call.
    /// </summary>
    public Overlay Newest(Volume volume)
    {
        if (Served)
        {
            Index();
        }

        return volume.Overlay;
    }

    /// <summary>Rule L1: only what is acknowledged becomes readable.</summary>
    private void Index()
    {
        ulong end = log.Acknowledged.Value;
        while (indexed < end
            && log.TryRead(new Lsn(indexed), out LogRecord entry, out Lsn next)
            && next.Value <= end)
        {
            if (Changes(entry.Entry.Kind) && VolumeOf(entry) is { } volume)
            {
                volume.Overlay.Add(
                    entry.Entry.Offset, entry.Entry.Length, entry.Start.Value,
                    entry.Payload.Length == 0);
            }

            indexed = next.Value;
        }
    }

    /// <summary>A copy says again what is there; its source need not read it from the
    /// log.</summary>
    private bool Changes(LogEntryKind kind) => kind switch
    {
        LogEntryKind.Copy or LogEntryKind.CopyZeroes => log.Role != LogRole.Resyncing,
        LogEntryKind.Compare or LogEntryKind.CompareZeroes or LogEntryKind.AskChanges => false,
        _ => true,
    };

    /// <summary>The volume a record is for; null when its words make no sense here.</summary>
    private Volume? VolumeOf(in LogRecord record)
    {
        LogEntry entry = record.Entry;
        return entry.Volume < volumes.Count
            && entry.Offset <= volumes[entry.Volume].SizeBytes - entry.Length
            ? volumes[entry.Volume]
            : null;
    }

    private Refusal NoRoom(in LogRecord found)
    {
        LogEntry entry = found.Entry;
        Volume? volume = entry.Volume < volumes.Count ? volumes[entry.Volume] : null;
        long end = entry.Offset + entry.Length;
        return new Refusal(
            volume is null ? $"volume number {entry.Volume} of {Group}" : $"volume {volume.Name}",
            $"at least {end} bytes, for the log's record at LSN {found.Start.Value} is of bytes "
                + $"{entry.Offset} to {end}",
            volume is null ? "no such volume" : $"{volume.SizeBytes} bytes",
            "configure the former size, for a volume does not shrink, or that of the partner's; "
                + "or remove this copy of the log, when it need not count");
    }

    private void AnswerAcknowledged()
    {
        while (acking.First is { } request && request.WaitsFor <= log.Acknowledged)
        {
            acking.Dequeue();
            if (power && request.ForceUnitAccess)
            {
                log.Prove(
                    static (state, outcome) => Proved((VolumeRequest)state, outcome), request);
            }
            else
            {
                Answer(request, VolumeStatus.Ok);
            }
        }
    }

    private void DropAll()
    {
        ownership++;
        draining = false;
        RequestQueue waiting = held.TakeAll();
        while (waiting.First is not null)
        {
            unanswered++;
            Answer(waiting.Dequeue(), VolumeStatus.NotOwner);
        }

        Drop(later.TakeAll());
        Drop(appending.TakeAll());
        Drop(acking.TakeAll());
    }

    private void Drop(RequestQueue waiting)
    {
        while (waiting.First is not null)
        {
            Answer(waiting.Dequeue(), VolumeStatus.NotOwner);
        }
    }

    private void Answer(VolumeRequest request, VolumeStatus status)
    {
        unanswered--;
        request.Attachment = null;
        if (request.Trace is not null)
        {
            TraceAnswered(request, status);
        }

        answering++;
        Listeners.Call(
            reactor, request.SubmittedBy, (request, status),
            static answer => answer.request.Complete(answer.status));
        answering--;
        if (unanswered == 0 && drained is { } waiter)
        {
            drained = null;
            _ = waiter.TrySetResult();
        }
    }
}
