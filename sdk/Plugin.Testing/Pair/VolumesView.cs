using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Plugin.Testing.Pair;

/// <summary>The volumes as one boot of a node has them.</summary>
internal sealed class VolumesView : IVolumes
{
    private const int DelayMaxMicroseconds = 300;
    private readonly MemoryVolumes shared;
    private readonly List<View> views = [];
    private readonly List<(View Volume, VolumeRequest Request)> uncommitted = [];

    /// <summary>Makes one.</summary>
    public VolumesView(MemoryVolumes shared, string node, IReactor reactor)
    {
        (this.shared, Node, Reactor) = (shared, node, reactor);
        views.AddRange(shared.Volumes.Select(volume => new View(this, volume.Name, volume.Bytes)));
    }

    /// <inheritdoc/>
    public event Action? ServingChanged;

    /// <summary>The node.</summary>
    public string Node { get; }

    /// <summary>The client's reactor.</summary>
    public IReactor Reactor { get; }

    /// <inheritdoc/>
    public IReadOnlyList<IVolume> All => views;

    /// <summary>Another node serves, or none; the client hears of it on its reactor.</summary>
    public void ServerChanged() => Reactor.Post(_ => ServingChanged?.Invoke(), null);

    /// <inheritdoc/>
    public Refusal? DiskFault(GroupId group) => null;

    /// <inheritdoc/>
    public ValueTask<bool> ResyncAsync(
        GroupId group, IProgress<CopyProgress> progress, CancellationToken cancellation) =>
        throw NotThere();

    /// <inheritdoc/>
    public void TakeEntry(RegisterEntry entry) => throw NotThere();

    /// <inheritdoc/>
    public ValueTask DrainAsync(GroupId group, CancellationToken cancellation) => throw NotThere();

    /// <inheritdoc/>
    public void Resume(GroupId group) => throw NotThere();

    private static RefusedException NotThere() => new(new(
        "volumes of a test", "what every client does with volumes",
        "what the failover monitor does", "write a double of IVolumes for that"));

    private void Submit(View volume, VolumeRequest request)
    {
        Invariant.Require(Reactor.IsCurrent); // Services are called on the reactor alone.
        if (!volume.Served)
        {
            request.Complete(VolumeStatus.NotOwner);
        }
        else if (!volume.Holds(request))
        {
            request.Complete(VolumeStatus.OutOfRange);
        }
        else if (request.Operation is VolumeOperation.Read or VolumeOperation.Flush)
        {
            Later(volume, request);
        }
        else
        {
            uncommitted.Add((volume, request));
        }
    }

    private void Commit()
    {
        uncommitted.ForEach(one => Later(one.Volume, one.Request));
        uncommitted.Clear();
    }

    private void Later(View volume, VolumeRequest request)
    {
        bool isDone = request.Operation != VolumeOperation.Read && shared.Below(2) == 0;
        if (isDone)
        {
            volume.Do(request); // There even if this node dies before it hears of it.
        }

        TimeSpan delay = TimeSpan.FromMicroseconds(1 + shared.Below(DelayMaxMicroseconds));
        _ = Reactor.After(delay, () =>
        {
            bool served = volume.Served;
            if (served && !isDone)
            {
                volume.Do(request);
            }

            request.Complete(served ? VolumeStatus.Ok : VolumeStatus.NotOwner);
        });
    }

    private sealed class View(VolumesView owner, string name, byte[] bytes) : IVolume
    {
        private const int ExtentBytes = 64 * Size.KiB;

        public string Name => name;

        public GroupId Group => new(0);

        public long SizeBytes => bytes.Length;

        public bool Served => owner.shared.IsServer(owner);

        public void Submit(VolumeRequest request) => owner.Submit(this, request);

        public void Commit() => owner.Commit();

        public void Extents(long offset, long length, Action<long, bool> extent)
        {
            for (long end = offset + length; offset < end;)
            {
                long next = Math.Min(end, (offset / ExtentBytes * ExtentBytes) + ExtentBytes);
                extent(next - offset, !bytes.AsSpan((int)offset, (int)(next - offset))
                    .ContainsAnyExcept((byte)0));
                offset = next;
            }
        }

        public bool Holds(VolumeRequest request) => request.Operation == VolumeOperation.Flush
            || (request.Offset >= 0 && request.Length >= 0
                && request.Offset <= bytes.Length - request.Length
                && (request.Operation is VolumeOperation.Trim or VolumeOperation.WriteZeroes
                    || request.Buffer.Length >= request.Length));

        public void Do(VolumeRequest request)
        {
            if (request.Operation == VolumeOperation.Flush)
            {
                return; // All of it is as safe as it gets.
            }

            Span<byte> there = bytes.AsSpan((int)request.Offset, request.Length);
            Span<byte> its = request.Buffer.Span;
            switch (request.Operation)
            {
                case VolumeOperation.Read:
                    there.CopyTo(its);
                    break;
                case VolumeOperation.Write:
                    its[..request.Length].CopyTo(there);
                    break;
                default:
                    there.Clear();
                    break;
            }
        }
    }
}
