using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Services;

namespace StorageOs.Simulator.Whole;

/// <summary>
/// A client of one volume: one operation after the other, over a connection to whichever node
/// accepts it, given up when it breaks or the answer is longer in coming than its patience.
/// </summary>
internal sealed class SimulatedClient(WholePair pair, int volume, long patience)
{
    private const int BlocksMax = 16; // Of one operation: 64 KiB.
    private readonly Request request = new(pair);
    private WholeNode? node;
    private ulong boot;
    private ulong connection;
    private long number;

    private World World => pair.World;

    /// <summary>Whether an operation waits for its answer.</summary>
    public bool IsBusy { get; private set; }

    /// <summary>Operations that were answered.</summary>
    public long Answered { get; private set; }

    /// <summary>Begins.</summary>
    public void Start() => Think();

    /// <summary>The node's boot has ended, and every connection to it.</summary>
    public void BootEnded(WholeNode ended)
    {
        if (node == ended)
        {
            Drop();
        }
    }

    private void Think()
    {
        long mine = ++number;
        World.After(World.Random.Below(pair.ThinkMax) + 1, () =>
        {
            if (mine == number && !pair.ClientsRest)
            {
                Begin();
            }
            else if (mine == number)
            {
                Think();
            }
        });
    }

    private void Begin()
    {
        if (node is null || !node.IsIn(boot))
        {
            Connect();
        }

        if (node is not { } to)
        {
            Think();
            return;
        }

        long mine = ++number;
        ulong through = connection;
        ulong at = boot;
        to.Reactor.Post(
            _ =>
            {
                if (mine == number && through == connection)
                {
                    Submit(to, at, mine);
                }
            },
            null);
        World.After(patience, () =>
        {
            if (mine == number)
            {
                Drop();
            }
        });
    }

    private void Connect()
    {
        WholeNode first = pair.Nodes[World.Random.Below(2)];
        node = null;
        foreach (WholeNode one in new[] { first, first.Partner })
        {
            if (node is null && one.IsUp && one.HasStarted
                && one.Monitor.Of(WholePair.GroupOf(volume)).HoldsServiceAddress)
            {
                (node, boot, connection) = (one, one.Boots, connection + 1);
            }
        }
    }

    private void Drop()
    {
        node = null;
        connection++;
        IsBusy = false;
        Think();
    }

    private void Submit(WholeNode to, ulong at, long mine)
    {
        if (!to.Monitor.Of(WholePair.GroupOf(volume)).HoldsServiceAddress)
        {
            Drop();
            return;
        }

        IVolume served = to.Volumes.All[volume];
        int blocks = (int)(served.SizeBytes / History.BlockBytes);
        int first = pair.Shape.BlockAt(World.Random.Below(pair.Shape.BlocksUsed));
        int count = World.Random.OneIn(pair.Shape.WideOneIn) ? 1 + World.Random.Below(BlocksMax) : 1;
        count = Math.Min(count, blocks - first);
        int kind = World.Random.Below(20);
        VolumeOperation operation = kind < 10 ? VolumeOperation.Write
            : kind < 19 ? VolumeOperation.Read
            : VolumeOperation.Flush;
        IsBusy = true;
        Request asked = request.IsOut ? new(pair) : request;
        asked.Begin(operation, volume, first, count, (answered, status) =>
        {
            if (to.IsIn(at) && mine == number)
            {
                answered.Record(status);
                Answer(status);
                if (operation == VolumeOperation.Write && status == VolumeStatus.Ok)
                {
                    to.Answered();
                }
            }
        });
        served.Submit(asked);
        if (!World.Random.OneIn(4))
        {
            served.Commit();
        }
        else
        {
            World.After(World.Random.Below(World.Millisecond), () => to.Awake(at, () =>
                to.Reactor.Post(_ => Commit(to, served), null)));
        }
    }

    private static void Commit(WholeNode to, IVolume served)
    {
        if (to.HasStarted)
        {
            served.Commit();
        }
    }

    private void Answer(VolumeStatus status)
    {
        IsBusy = false;
        if (status == VolumeStatus.NotOwner)
        {
            Drop();
            return;
        }

        if (status != VolumeStatus.Ok)
        {
            World.Fail($"a request was answered with {status}");
        }

        Answered++;
        Think();
    }

    /// <summary>A request, and what it tells the history.</summary>
    private sealed class Request(WholePair pair) : VolumeRequest
    {
        private readonly List<Seen> writes = [];
        private int volume;
        private int first;
        private long begun;
        private Action<Request, VolumeStatus>? answered;

        /// <summary>Whether it was submitted and not answered.</summary>
        public bool IsOut => answered is not null;

        /// <summary>Fills it in.</summary>
        public void Begin(
            VolumeOperation operation, int of, int from, int count,
            Action<Request, VolumeStatus> then)
        {
            (Operation, volume, first, answered) = (operation, of, from, then);
            Offset = (long)first * History.BlockBytes;
            Length = operation == VolumeOperation.Flush ? 0 : count * History.BlockBytes;
            Buffer = new byte[Length];
            ForceUnitAccess = operation == VolumeOperation.Write
                && pair.Shape.Persistence == PersistenceLevel.Power;
            writes.Clear();
            begun = pair.History.Tick();
            for (int i = 0; i < count && operation == VolumeOperation.Write; i++)
            {
                ulong value = pair.History.NewValue();
                History.Fill(Block(i), value);
                writes.Add(pair.History.Add(volume, first + i, value, isWrite: true));
            }

            if (pair.World.Telling)
            {
                pair.World.Tell($"client {volume}: {operation} {first}+{count} "
                    + string.Join(',', writes.Select(static one => one.Value)));
            }
        }

        /// <inheritdoc/>
        public override void Complete(VolumeStatus status)
        {
            Action<Request, VolumeStatus> then = answered!;
            answered = null;
            pair.World.Mix((ulong)status ^ ((ulong)Offset << 8) ^ ((ulong)Operation << 40));
            then(this, status);
        }

        /// <summary>The client has heard the answer.</summary>
        public void Record(VolumeStatus status)
        {
            if (status != VolumeStatus.Ok)
            {
                return;
            }

            foreach (Seen write in writes)
            {
                write.Ended = pair.History.Tick();
            }

            for (int i = 0; Operation == VolumeOperation.Read && i < Length / History.BlockBytes;
                i++)
            {
                if (History.ValueOf(Block(i)) is { } value)
                {
                    if (pair.World.Telling)
                    {
                        pair.World.Tell($"client {volume}: block {first + i} is {value}");
                    }

                    pair.History.AddRead(volume, first + i, value, begun);
                }
                else
                {
                    pair.World.Fail($"volume {volume} block {first + i} is torn");
                }
            }
        }

        private Span<byte> Block(int index) =>
            Buffer.Span.Slice(index * History.BlockBytes, History.BlockBytes);
    }
}
