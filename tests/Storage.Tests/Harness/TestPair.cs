using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;

namespace StorageOs.Storage.Tests.Harness;

/// <summary>Two nodes on one reactor; what ownership would decide, the test decides.</summary>
internal sealed class TestPair : IDisposable
{
    private readonly SynchronizationContext? before = SynchronizationContext.Current;
    private uint attempt;

    /// <summary>The test is a module of this reactor: what its callbacks throw comes out
    /// there.</summary>
    public TestPair(int logBytes = Size.MiB)
    {
        SynchronizationContext.SetSynchronizationContext(Reactor);
        A = new TestNode(Reactor, 1, logBytes);
        B = new TestNode(Reactor, 2, logBytes) { Peer = A };
        A.Peer = B;
    }

    public TestReactor Reactor { get; } = new();

    /// <summary>Takes reports of a copy, at once.</summary>
    public IProgress<CopyProgress> Copied { get; } = new TestProgress();

    public TestNode A { get; }

    public TestNode B { get; }

    public Term Term { get; private set; } = new(1);

    /// <summary>The register's entry, once it says anything.</summary>
    public RegisterEntry? Entry { get; private set; }

    /// <summary>Both up, A owner, B passive, in sync.</summary>
    public static TestPair InSync(PersistenceLevel level) => InSync(Size.MiB, level);

    /// <summary>Both up, A owner, B passive, in sync.</summary>
    public static TestPair InSync(
        int logBytes = Size.MiB, PersistenceLevel level = PersistenceLevel.Process)
    {
        TestPair pair = new(logBytes);
        pair.A.Persistence = pair.B.Persistence = level;
        pair.A.Boot();
        pair.B.Boot();
        pair.Connect();
        pair.Join(pair.A, pair.B, format: true);
        return pair;
    }

    public void Connect() => Connect(new TestPort(), new TestPort());

    public void Connect(IPort toB, IPort toA)
    {
        attempt++;
        SessionId session = new(1, 2, attempt, attempt);
        Tell();
        A.Ready(session, toB);
        B.Ready(session, toA);
        Reactor.Drain();
    }

    public void Disconnect()
    {
        foreach (TestNode node in new[] { A, B })
        {
            node.Port?.Break();
            if (node.Up)
            {
                node.Lost();
            }
        }

        Reactor.Drain();
    }

    /// <summary>The owner takes the partner in and serves under mirrored rules.</summary>
    public void Join(TestNode owner, TestNode partner, bool format)
    {
        if (partner.Log.Role is LogRole.Fenced or LogRole.Frozen)
        {
            partner.Log.StepDown();
        }

        partner.Log.BecomePassive();
        Reactor.Run(1);
        Assert.True(owner.Log.PartnerOffered);
        Assert.True(Reactor.Await(() => owner.Log.PushAsync(Term, format)));
        Reactor.Run(10);
        owner.Log.ServeWithPartner(Term, acknowledgeOnBoth: true);
        Swapped(owner, SyncState.InSync);
        owner.Log.ClearForgot();
        partner.Log.ClearForgot();
        Assert.Equal(LogRole.Mirrored, owner.Log.Role);
    }

    /// <summary>A partner that is stale comes back, and its owner makes its log anew.</summary>
    public void GiveLog(TestNode owner, TestNode partner)
    {
        partner.Boot();
        Connect();
        partner.Log.BecomePassive();
        Reactor.Run(1);
        Assert.True(Reactor.Await(() => owner.Log.PushAsync(Term, format: true)));
    }

    /// <summary>A swap of the register was won, and both nodes hear of it.</summary>
    public void Swapped(TestNode owner, SyncState sync)
    {
        Term = Term.Next;
        bool stale = sync == SyncState.Stale;
        Entry = new RegisterEntry(
            Guid.Empty, new GroupId(0), Term, owner.Id, sync, stale ? owner.Peer!.Id : 0,
            stale ? owner.Log.PartnerFlushed : default, Guid.Empty);
        Tell();
    }

    /// <summary>A node goes on without the other, which the register says is stale.</summary>
    public void GoAlone(TestNode owner)
    {
        Swapped(owner, SyncState.Stale);
        owner.Log.ServeAlone(Term);
        Reactor.Drain();
    }

    /// <summary>A node takes the group over after the other is gone.</summary>
    public void TakeOver(TestNode node)
    {
        node.Log.Fence();
        GoAlone(node);
    }

    /// <summary>Whoever is up reads the register.</summary>
    public void Tell()
    {
        foreach (TestNode node in new[] { A, B })
        {
            if (node.Up && Entry is { } entry)
            {
                node.Store.TakeEntry(entry);
            }
        }
    }

    public void Dispose()
    {
        A.Dispose();
        B.Dispose();
        SynchronizationContext.SetSynchronizationContext(before);
    }
}

/// <summary>Hears how far a copy has come.</summary>
internal sealed class TestProgress : IProgress<CopyProgress>
{
    public CopyProgress Last { get; private set; }

    public Action<CopyProgress>? Told { get; set; }

    public void Report(CopyProgress value)
    {
        Last = value;
        Told?.Invoke(value);
    }
}

/// <summary>A request that remembers its answer.</summary>
internal sealed class TestRequest : VolumeRequest
{
    public VolumeStatus? Status { get; private set; }

    /// <summary>Told when it is answered, at that moment.</summary>
    public Action<TestRequest>? Answered { get; init; }

    public static TestRequest Write(IVolume volume, long offset, byte[] data) =>
        Submit(volume, VolumeOperation.Write, offset, data);

    public static TestRequest Read(IVolume volume, long offset, int length) =>
        Submit(volume, VolumeOperation.Read, offset, new byte[length]);

    public static TestRequest Trim(IVolume volume, long offset, int length) =>
        Submit(volume, VolumeOperation.Trim, offset, new byte[length]);

    public static TestRequest Flush(IVolume volume) =>
        Submit(volume, VolumeOperation.Flush, 0, []);

    public static TestRequest Zero(IVolume volume, long offset, int length) =>
        Submit(volume, VolumeOperation.WriteZeroes, offset, new byte[length]);

    /// <summary>The same, to be submitted once more.</summary>
    public TestRequest Again()
    {
        Status = null;
        return this;
    }

    public TestRequest ToRead(long offset, int length)
    {
        Operation = VolumeOperation.Read;
        Offset = offset;
        Length = length;
        Buffer = new byte[length];
        return this;
    }

    public override void Complete(VolumeStatus status)
    {
        Assert.Null(Status);
        Status = status;
        Answered?.Invoke(this);
    }

    private static TestRequest Submit(
        IVolume volume, VolumeOperation operation, long offset, byte[] buffer)
    {
        TestRequest request = new()
        {
            Operation = operation,
            Offset = offset,
            Length = buffer.Length,
            Buffer = buffer,
        };
        volume.Submit(request);
        return request;
    }
}
