using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Isolation.Inside;

/// <summary>
/// Every port of a plugin's process, and the bell that the node rings. Plugin's reactor.
/// </summary>
internal sealed class InsidePorts(Socket bell, Action wake)
{
    private readonly List<InsidePort> all = [];
    private readonly byte[] rings = new byte[64];

    /// <summary>Opens a port that the node serves.</summary>
    /// <param name="port">Where it is.</param>
    /// <param name="dispose">Has the node dispose its port.</param>
    internal InsidePort Open(SharedPort port, Action dispose)
    {
        for (int i = all.Count - 1; i >= 0; i--)
        {
            if (all[i].TryRetire())
            {
                all.RemoveAt(i);
            }
        }

        InsidePort fresh = port.CanFlush
            ? new InsideFlushingPort(port, wake, dispose) : new InsidePort(port, wake, dispose);
        all.Add(fresh);
        return fresh;
    }

    /// <summary>Hears the bell from now on.</summary>
    internal void Watch(IReactor reactor) => _ = reactor.Watch(
        bell.SafeHandle, DescriptorInterest.Readable, Hear);

    private void Hear(DescriptorInterest ready)
    {
        _ = bell.Receive(rings, SocketFlags.None, out SocketError _);
        foreach (InsidePort port in all)
        {
            port.Hear();
        }
    }
}

/// <summary>
/// A port whose posts the node makes. Closed, it completes what is posted by itself.
/// </summary>
internal class InsidePort : IPort, ICompletionChannel
{
    private readonly SharedPort shared;
    private readonly Action wake;
    private readonly Action dispose;
    private readonly PostRing ring;
    private readonly SafeFileHandle signal;
    private readonly Queue<ulong> late = new();
    private int inFlight;
    private bool holds;
    private bool isArmed;
    private bool isRingClosed;
    private bool isRetired;
    private volatile bool isDisposed;

    internal InsidePort(SharedPort shared, Action wake, Action dispose)
    {
        (this.shared, this.wake, this.dispose) = (shared, wake, dispose);
        ring = PostRing.Open(shared.Path, shared.PostsInFlightMax);
        signal = new SafeFileHandle(
            Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK), ownsHandle: true);
        Invariant.Require(!signal.IsInvalid, Marshal.GetLastPInvokeErrorMessage());
    }

    /// <inheritdoc/>
    public PortState State => isDisposed || isRetired ? PortState.Disposed : ring.State;

    /// <inheritdoc/>
    public bool PartnerExited => !isRetired && ring.PartnerExited;

    /// <inheritdoc/>
    public int PostsInFlightMax => shared.PostsInFlightMax;

    /// <inheritdoc/>
    public SafeHandle Descriptor => signal;

    /// <inheritdoc/>
    public bool TryPostWrite(
        ulong token, IRegion source, int sourceOffset, IRemoteMemory target, long targetOffset,
        int length) => TryAdd(new Post
        {
            Kind = PostKind.Write,
            Token = token,
            Region = IndexOf(source, sourceOffset, length),
            Offset = sourceOffset,
            Length = length,
            Target = NumberOf(target),
            TargetOffset = targetOffset,
        });

    /// <inheritdoc/>
    public bool TryPostWriteWord(
        ulong token, ulong value, IRemoteMemory target, long targetOffset) => TryAdd(new Post
        {
            Kind = PostKind.Word,
            Token = token,
            Value = value,
            Target = NumberOf(target),
            TargetOffset = targetOffset,
        });

    /// <inheritdoc/>
    public bool TryPostRead(
        ulong token, IRegion destination, int destinationOffset, IRemoteMemory source,
        long sourceOffset, int length) => TryAdd(new Post
        {
            Kind = PostKind.Read,
            Token = token,
            Region = IndexOf(destination, destinationOffset, length),
            Offset = destinationOffset,
            Length = length,
            Target = NumberOf(source),
            TargetOffset = sourceOffset,
        });

    /// <inheritdoc/>
    public void Hold() => holds = true;

    /// <inheritdoc/>
    public void Ring()
    {
        holds = false;
        Publish();
    }

    /// <inheritdoc/>
    public int Poll(Span<Completion> completions)
    {
        int count = isRetired ? 0 : ring.TakeCompletions(completions);
        inFlight -= count;
        while (count < completions.Length && late.Count > 0 && late.Count == inFlight)
        {
            completions[count++] = new(late.Dequeue(), CompletionStatus.PortClosed);
            inFlight--;
        }

        return count;
    }

    /// <inheritdoc/>
    public void Arm()
    {
        if (isRetired)
        {
            return;
        }

        ulong rings = 0;
        _ = Libc.read((int)signal.DangerousGetHandle(), ref rings, sizeof(ulong));
        isArmed = true;
        ring.WantWord();
        if (ring.HasCompletions || late.Count > 0)
        {
            Hear();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!isDisposed)
        {
            isDisposed = true;
            dispose();
        }
    }

    /// <summary>The node serves it no longer: what comes from now on has come too late.</summary>
    internal void CloseRing()
    {
        Publish();
        isRingClosed = true;
    }

    /// <summary>The bell was rung: by this port, perhaps.</summary>
    internal void Hear()
    {
        if (isArmed && !isRetired && (ring.HasCompletions || late.Count > 0
            || ring.State != PortState.Open))
        {
            isArmed = false;
            ulong one = 1;
            _ = Libc.write((int)signal.DangerousGetHandle(), in one, sizeof(ulong));
        }
    }

    /// <summary>Gives its memory back once nothing is in flight.</summary>
    internal bool TryRetire()
    {
        if (!isRingClosed || inFlight > 0)
        {
            return false;
        }

        isRetired = true;
        ring.Dispose();
        signal.Dispose();
        return true;
    }

    /// <summary>Adds a post, if there is room.</summary>
    private protected bool TryAdd(in Post post)
    {
        if (inFlight == PostsInFlightMax)
        {
            return false;
        }

        inFlight++;
        if (isRingClosed)
        {
            late.Enqueue(post.Token);
            return true;
        }

        ring.Add(post);
        if (!holds)
        {
            Publish();
        }

        return true;
    }

    /// <summary>The number of memory of the partner.</summary>
    private protected static uint NumberOf(IRemoteMemory memory) => memory is InsideMemory inside
        ? inside.Number
        : throw new ArgumentException("memory of this session was expected", nameof(memory));

    private static uint IndexOf(IRegion region, int offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, region.Length - offset);
        return region is InsideRegion inside
            ? inside.Index
            : throw new ArgumentException("a region of this client was expected", nameof(region));
    }

    private void Publish()
    {
        if (!isRingClosed && ring.Publish())
        {
            wake();
        }
    }
}

/// <summary>A port that can flush.</summary>
internal sealed class InsideFlushingPort(SharedPort shared, Action wake, Action dispose)
    : InsidePort(shared, wake, dispose), IPersistentFlush
{
    /// <inheritdoc/>
    public bool TryPostFlush(ulong token, IRemoteMemory target) => TryAdd(new Post
    {
        Kind = PostKind.Flush,
        Token = token,
        Target = NumberOf(target),
    });
}
