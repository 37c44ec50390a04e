using System.Diagnostics;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// Two queue pairs of one card, connected to each other: the way the partner's writes take, without
/// the partner. Good for one failing write.
/// </summary>
internal sealed class LoopPair : IDisposable
{
    private readonly QueuePair writer;
    private readonly QueuePair target;

    /// <summary>Makes and connects both.</summary>
    public LoopPair(Adapter adapter)
    {
        writer = new QueuePair(adapter, 1, QueuePair.NewPsn());
        try
        {
            target = new QueuePair(adapter, 1, QueuePair.NewPsn());
        }
        catch (RefusedException)
        {
            writer.Dispose();
            throw;
        }

        try
        {
            writer.Initialize(adapter.Port, 0);
            target.Initialize(adapter.Port, 0);
            IbvQpAttr path = adapter.SelfPath;
            target.Connect(in path, writer.Address, Limits.AckTimeoutDefault);
            writer.Connect(in path, target.Address, Limits.AckTimeoutDefault);
        }
        catch (RefusedException)
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What a write of a word under the key came to.</summary>
    public uint Write(ulong remoteAddress, uint key, ulong value)
    {
        WorkRequest request = new(
            0,
            IbvConstants.IBV_WR_RDMA_WRITE,
            IbvConstants.IBV_SEND_INLINE,
            0,
            0,
            sizeof(ulong),
            remoteAddress,
            key);
        Native.Zero("ibv_post_send to oneself", writer.PostWord(in request, value));
        Span<IbvWc> done = stackalloc IbvWc[1];
        long start = Stopwatch.GetTimestamp();
        SpinWait spin = default;
        while (writer.Poll(done) == 0)
        {
            if (Stopwatch.GetElapsedTime(start) > Limits.LoopTime)
            {
                throw new RefusedException(new Refusal(
                    $"a write of {writer.Adapter.Name} to itself",
                    $"a completion within {Limits.LoopTime.TotalSeconds} s",
                    "none",
                    "check the device ('rdma link'); a firewall must let UDP port 4791 pass"));
            }

            spin.SpinOnce();
        }

        return done[0].Status;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        writer.Dispose();
        target.Dispose();
    }
}
