using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;
using StorageOs.Storage.Tests.Harness;
using StorageOs.Volumes.Traces;

namespace StorageOs.Storage.Tests;

/// <summary>Runs by itself: what other threads do must not be counted.</summary>
[CollectionDefinition(nameof(SteadyPathTests), DisableParallelization = true)]
public sealed class SteadyPathAlone;

/// <summary>The path that every write takes allocates nothing once it is warm.</summary>
[Collection(nameof(SteadyPathTests))]
public sealed class SteadyPathTests
{
    private const int Batch = 32;

    [Theory]
    [InlineData(1_000_000, false)]
    [InlineData(100_000, true)]
    public void AMillionMirroredWritesAllocateNothing(int appends, bool traced)
    {
        using TestPair pair = new();
        pair.A.Boot();
        pair.B.Boot();
        pair.Connect(new QuietPort(), new QuietPort());
        pair.Join(pair.A, pair.B, format: true);
        SteadyWrite[] writes = new SteadyWrite[Batch];
        for (int i = 0; i < Batch; i++)
        {
            writes[i] = new SteadyWrite
            {
                Operation = VolumeOperation.Write,
                Offset = i * 4096,
                Length = 512,
                Buffer = LogTests.Bytes(512, (byte)i),
            };
        }

        if (traced)
        {
            pair.A.Store.BeginTracing(
                new TraceOrder(null, 1, TimeSpan.FromHours(1), TimeSpan.FromHours(1)), new());
        }

        long allocated = 0;
        int done = 0;
        for (int round = 0; done < appends; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            foreach (SteadyWrite write in writes)
            {
                pair.A.Volume.Submit(write);
            }

            pair.A.Volume.Commit();
            long after = GC.GetAllocatedBytesForCurrentThread();
            bool warm = round >= 2_000;
            allocated += warm ? after - before : 0;
            done += warm ? Batch : 0;
            if (round % 8 == 0)
            {
                pair.Reactor.Run(60); // Time for what moves to the disks; not on the write's path.
            }
        }

        pair.Reactor.Run(500);
        Assert.Equal(0, allocated);
        Assert.All(writes, write => Assert.True(write.Answers >= appends / Batch));
        if (traced)
        {
            Assert.True(pair.A.Store.EndTracing().Seen >= appends);
        }
    }

    private sealed class SteadyWrite : VolumeRequest
    {
        public int Answers { get; private set; }

        public override void Complete(VolumeStatus status)
        {
            Answers += status == VolumeStatus.Ok ? 1 : 0;
        }
    }

    /// <summary>Carries everything at once and keeps nothing but completions.</summary>
    private sealed class QuietPort : IPort
    {
        private readonly ulong[] done = new ulong[PortNeed.PostsInFlightLimit];
        private int first;
        private int count;

        public PortState State => PortState.Open;

        public int PostsInFlightMax => PortNeed.PostsInFlightLimit;

        public bool TryPostWrite(
            ulong token, IRegion source, int sourceOffset, IRemoteMemory target,
            long targetOffset, int length)
        {
            source.Bytes.Slice(sourceOffset, length)
                .CopyTo(((TestRemote)target).Memory.AsSpan((int)targetOffset));
            return Done(token);
        }

        public bool TryPostWriteWord(
            ulong token, ulong value, IRemoteMemory target, long targetOffset)
        {
            BitConverter.TryWriteBytes(
                ((TestRemote)target).Memory.AsSpan((int)targetOffset), value);
            return Done(token);
        }

        public bool TryPostRead(
            ulong token, IRegion destination, int destinationOffset, IRemoteMemory source,
            long sourceOffset, int length)
        {
            ((TestRemote)source).Memory.AsSpan((int)sourceOffset, length)
                .CopyTo(destination.Bytes[destinationOffset..]);
            return Done(token);
        }

        public int Poll(Span<Completion> completions)
        {
            int taken = 0;
            for (; taken < completions.Length && count > 0; taken++, count--)
            {
                completions[taken] = new Completion(done[first], CompletionStatus.Success);
                first = (first + 1) % done.Length;
            }

            return taken;
        }

        public void Dispose()
        {
        }

        private bool Done(ulong token)
        {
            done[(first + count++) % done.Length] = token;
            return true;
        }
    }
}
