using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Simulator.Whole;

/// <summary>
/// One end of a port. Posts go onto the wire in order, land at the partner one after the other, and
/// complete later still. What an end has sent when it is closed or dies may land all the same.
/// </summary>
internal sealed class PortEnd : IPreparedPort, IPort, IPersistentFlush
{
    private readonly NodeTransport owner;
    private readonly Fabric fabric;
    private readonly World world;
    private readonly Action wake;
    private readonly byte[] address = new byte[sizeof(ulong)];
    private readonly Queue<Op> wire = new(); // Not landed yet.
    private readonly Queue<Op> inFlight = new(); // Not polled yet.
    private PortEnd? peer;
    private long lastArrival;
    private long lastCompletion;
    private bool linkLost;
    private bool exited;

    /// <summary>Makes an end that can't post yet.</summary>
    public PortEnd(NodeTransport owner, int postsInFlightMax, Action wake)
    {
        (this.owner, this.wake) = (owner, wake);
        (fabric, world) = (owner.Fabric, owner.Fabric.World);
        PostsInFlightMax = postsInFlightMax;
        Number = fabric.NewNumber();
        BinaryPrimitives.WriteUInt64LittleEndian(address, Number);
        fabric.Add(this);
    }

    /// <summary>What the other end names it by.</summary>
    public ulong Number { get; }

    /// <summary>Whose end it is.</summary>
    public ulong NodeId => owner.Node.Id;

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Address => address;

    /// <inheritdoc/>
    public int PostsInFlightMax { get; }

    /// <inheritdoc/>
    public PortState State { get; private set; } = PortState.Open;

    /// <inheritdoc/>
    public bool PartnerExited =>
        exited || (fabric.KnowsExits && peer is { } other && owner.HasExited(other.owner));

    private bool IsEstablished => peer is not null && peer.peer == this;

    /// <inheritdoc/>
    public IPort Connect(ReadOnlySpan<byte> partnerAddress)
    {
        ulong number = BinaryPrimitives.ReadUInt64LittleEndian(partnerAddress);
        if (fabric.Find(number) is not { } other || State != PortState.Open)
        {
            throw new RefusedException(new("port", "the partner's end", "none"));
        }

        ConnectTo(other);
        return this;
    }

    /// <summary>Knows its other end from here on.</summary>
    public void ConnectTo(PortEnd other)
    {
        peer = other;
        if (IsEstablished)
        {
            Send();
            other.Send();
        }
    }

    /// <inheritdoc/>
    public bool TryPostWrite(
        ulong token, IRegion source, int sourceOffset, IRemoteMemory target, long targetOffset,
        int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sourceOffset + length, source.Length);
        return Post(new(OpKind.Write, token, target.Region.Key, targetOffset, length)
        {
            Local = (NodeRegion)source,
            LocalOffset = sourceOffset,
        });
    }

    /// <inheritdoc/>
    public bool TryPostWriteWord(
        ulong token, ulong value, IRemoteMemory target, long targetOffset)
    {
        byte[] word = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(word, value);
        return Post(new(OpKind.Write, token, target.Region.Key, targetOffset, sizeof(ulong))
        {
            Taken = word,
        });
    }

    /// <inheritdoc/>
    public bool TryPostRead(
        ulong token, IRegion destination, int destinationOffset, IRemoteMemory source,
        long sourceOffset, int length) =>
        Post(new(OpKind.Read, token, source.Region.Key, sourceOffset, length)
        {
            Local = (NodeRegion)destination,
            LocalOffset = destinationOffset,
        });

    /// <inheritdoc/>
    public bool TryPostFlush(ulong token, IRemoteMemory target) =>
        Post(new(OpKind.Flush, token, target.Region.Key, 0, 0));

    /// <inheritdoc/>
    public int Poll(Span<Completion> completions)
    {
        int count = 0;
        while (count < completions.Length && inFlight.TryPeek(out Op? op)
            && op.CompletesAt <= world.Now)
        {
            _ = inFlight.Dequeue();
            completions[count++] = new(op.Token, op.Status);
        }

        return count;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (State != PortState.Disposed && owner.Alive)
        {
            CaptureWire();
            fabric.Remove(this);
            owner.Forget(this);
            End(PortState.Disposed, CompletionStatus.PortClosed);
            TellPeer(PortState.ClosedByPartner, CompletionStatus.PortClosed, exited: false);
        }
    }

    /// <summary>The link is gone; noticed later.</summary>
    public void LinkLost(long noticedAfter)
    {
        CaptureWire();
        linkLost = true;
        world.After(
            noticedAfter, () => End(PortState.PartnerGone, CompletionStatus.PartnerGone));
    }

    /// <summary>The process at this end is dead.</summary>
    public void OwnerDied(bool toldExit)
    {
        CaptureWire();
        fabric.Remove(this);
        State = PortState.Disposed;
        TellPeer(PortState.PartnerGone, CompletionStatus.PartnerGone, toldExit);
    }

    private void TellPeer(PortState state, CompletionStatus status, bool exited)
    {
        if (peer is { } other && !linkLost)
        {
            world.After(fabric.Delay(), () =>
            {
                if (other.State == PortState.Open && !other.linkLost)
                {
                    other.NoteExit(exited, owner);
                    other.End(state, status);
                }
            });
        }
    }

    private void NoteExit(bool told, NodeTransport of)
    {
        exited = told;
        if (told)
        {
            owner.NoteExit(of);
        }
    }

    private bool Post(Op op)
    {
        if (inFlight.Count >= PostsInFlightMax)
        {
            return false;
        }

        if (!owner.Alive)
        {
            return true; // Nobody is there to see that it never completes.
        }

        inFlight.Enqueue(op);
        if (State != PortState.Open)
        {
            Complete(op, CompletionStatus.PortClosed, world.Now);
            return true;
        }

        if (!linkLost)
        {
            wire.Enqueue(op);
            if (IsEstablished)
            {
                Schedule(op);
            }
        }

        return true;
    }

    private void Send()
    {
        foreach (Op op in wire.ToArray())
        {
            Schedule(op);
        }
    }

    private void Schedule(Op op)
    {
        if (world.Random.OneIn(fabric.AtOnceOneIn) && wire.Count == 1)
        {
            op.AtOnce = true;
            op.Arrives = lastArrival = world.Now;
            Pump();
            return;
        }

        op.Arrives = lastArrival = Math.Max(lastArrival, world.Now + fabric.Delay());
        world.At(op.Arrives, Pump);
    }

    private void Pump()
    {
        while (wire.TryPeek(out Op? op) && op.Arrives <= world.Now)
        {
            PortEnd to = peer!;
            if (!fabric.OneSided && to.owner.Alive && to.owner.Node.IsPaused)
            {
                op.Arrives = to.owner.Node.PausedUntil;
                world.At(op.Arrives, Pump);
                return;
            }

            if (!Land(op, to))
            {
                return; // The rest of it comes later.
            }

            if (wire.Count > 0)
            {
                _ = wire.Dequeue();
            }
        }
    }

    /// <summary>Lands an operation, or the first part of it: false then.</summary>
    private bool Land(Op op, PortEnd to)
    {
        if (!to.owner.Alive || (to.State != PortState.Open && !fabric.OutlivesPorts))
        {
            // Nobody answers: this end's end is told, or a limit passes.
            wire.Clear();
            return true;
        }

        RemoteAccess access = op.Kind == OpKind.Read ? RemoteAccess.Read : RemoteAccess.Write;
        NodeRegion? region = to.owner.Reach(op.Key, access, op.Offset, op.Length);
        if (region is null)
        {
            Refuse(op);
            return true;
        }

        int from = op.Done;
        bool torn = from == 0 && !op.AtOnce && op.Length > sizeof(ulong)
            && world.Random.OneIn(fabric.TornOneIn);
        int until = torn ? world.Random.Below((op.Length / 8) + 1) * 8 : op.Length;
        Move(op, region, from, until, to);
        op.Done = until;
        if (torn)
        {
            op.Arrives = world.Now + (fabric.Delay() / 4) + 1;
            lastArrival = Math.Max(lastArrival, op.Arrives);
            world.At(op.Arrives, Pump);
            return false;
        }

        fabric.Landed++;
        Complete(op, CompletionStatus.Success, op.AtOnce ? world.Now : world.Now + fabric.Delay());
        return true;
    }

    private void Move(Op op, NodeRegion region, int from, int until, PortEnd to)
    {
        Span<byte> far = region.Bytes[((int)op.Offset + from)..((int)op.Offset + until)];
        world.Mix(((ulong)op.Key << 32) ^ ((ulong)op.Offset << 8) ^ (ulong)op.Length);
        if (op.Kind == OpKind.Read)
        {
            if (owner.Alive && State == PortState.Open)
            {
                far.CopyTo(op.Local!.Bytes[(op.LocalOffset + from)..]);
            }
        }
        else if (op.Kind == OpKind.Flush)
        {
            to.owner.Node.Flushed(this);
        }
        else
        {
            ReadOnlySpan<byte> bytes = op.Taken is { } taken
                ? taken.AsSpan(from, until - from)
                : op.Local!.Bytes.Slice(op.LocalOffset + from, until - from);
            if (region.BackingPath is { } path)
            {
                to.owner.Node.Landing(this, path, (int)op.Offset + from, bytes);
            }

            bytes.CopyTo(far);
        }
    }

    private void Refuse(Op op)
    {
        wire.Clear();
        long at = Math.Max(lastCompletion, world.Now + fabric.Delay());
        world.At(at, () =>
        {
            if (State == PortState.Open && !linkLost)
            {
                op.Status = CompletionStatus.RemoteAccessError;
                op.CompletesAt = world.Now;
                End(PortState.Failed, CompletionStatus.PortClosed);
            }
        });
    }

    private void Complete(Op op, CompletionStatus status, long at)
    {
        if (op.CompletesAt != long.MaxValue || (linkLost && status == CompletionStatus.Success))
        {
            return; // It has failed already, or word of it gets lost.
        }

        op.Status = status;
        op.CompletesAt = lastCompletion = Math.Max(lastCompletion, at);
        if (op.CompletesAt > world.Now)
        {
            world.At(op.CompletesAt, Wake);
        }
    }

    private void Wake()
    {
        if (owner.Alive)
        {
            wake();
        }
    }

    private void End(PortState state, CompletionStatus status)
    {
        if (State == PortState.Disposed || (State != PortState.Open && state != PortState.Disposed))
        {
            return;
        }

        State = state;
        foreach (Op op in inFlight)
        {
            if (op.CompletesAt > world.Now)
            {
                op.CompletesAt = long.MaxValue;
                op.Status = status;
                op.CompletesAt = world.Now;
            }
        }

        Wake();
    }

    /// <summary>
    /// This end sends no more: of what is on the wire a first part lands still, as it is now.
    /// </summary>
    private void CaptureWire()
    {
        int kept = IsEstablished && wire.Count > 0 ? world.Random.Below(wire.Count + 1) : 0;
        Op[] sent = [.. wire.Take(kept)];
        wire.Clear();
        foreach (Op op in sent)
        {
            if (op.Kind == OpKind.Write && op.Taken is null)
            {
                op.Taken = op.Local!.Bytes.Slice(op.LocalOffset, op.Length).ToArray();
            }

            wire.Enqueue(op);
        }
    }

    private enum OpKind
    {
        Write,
        Read,
        Flush,
    }

    private sealed class Op(OpKind kind, ulong token, ulong key, long offset, int length)
    {
        public OpKind Kind => kind;

        public ulong Token => token;

        public ulong Key => key;

        public long Offset => offset;

        public int Length => length;

        public NodeRegion? Local { get; init; }

        public int LocalOffset { get; init; }

        public byte[]? Taken { get; set; }

        public long Arrives { get; set; }

        public int Done { get; set; }

        public bool AtOnce { get; set; }

        public CompletionStatus Status { get; set; }

        public long CompletesAt { get; set; } = long.MaxValue;
    }
}
