using StorageOs.Contracts.Transports;

namespace StorageOs.Conformance;

/// <summary>
/// A thread of the first node that fills a region of the second again and again, the n-th time
/// with bytes n, until a write fails.
/// </summary>
internal sealed class Writer : IDisposable
{
    private readonly IRegion source;
    private readonly IRemoteMemory memory;
    private readonly IPort port;
    private readonly IPort other;
    private readonly Thread thread;
    private long completed;

    /// <summary>Starts to write.</summary>
    public Writer(ConnectedPair nodes, int bytes)
    {
        source = ConnectedPair.Map(nodes.First, bytes);
        Target = ConnectedPair.Map(nodes.Second, bytes);
        memory = nodes.First.Import(Target.Offer(RemoteAccess.Read | RemoteAccess.Write));
        (port, other) = nodes.Ports();
        thread = new Thread(Run);
        thread.Start();
    }

    /// <summary>What is written to.</summary>
    public IRegion Target { get; }

    /// <summary>Writes that completed with success.</summary>
    public long Completed => Volatile.Read(ref completed);

    /// <summary>How the last write ended.</summary>
    public CompletionStatus End { get; private set; }

    /// <summary>Waits until that many have completed.</summary>
    public void AwaitWrites(int count) =>
        ConnectedPair.Await(() => Completed >= count, $"{count} writes");

    /// <summary>Waits for the write that fails.</summary>
    public void AwaitEnd() => thread.Join();

    /// <inheritdoc/>
    public void Dispose()
    {
        Target.Revoke();
        thread.Join();
        port.Dispose();
        other.Dispose();
        memory.Dispose();
        source.Dispose();
        Target.Dispose();
    }

    private void Run()
    {
        Completion[] one = new Completion[1];
        while (End == CompletionStatus.Success)
        {
            source.Bytes.Fill((byte)(completed + 1));
            port.TryPostWrite(0, source, 0, memory, 0, source.Length);
            SpinWait spin = default;
            while (port.Poll(one) == 0)
            {
                spin.SpinOnce();
            }

            End = one[0].Status;
            if (End == CompletionStatus.Success)
            {
                Volatile.Write(ref completed, completed + 1);
            }
        }
    }
}
