using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Storage.Tests.Harness;
using StorageOs.Volumes.Core;

namespace StorageOs.Storage.Tests.Model;

/// <summary>
/// One seed's life of a pair: clients read and change a volume while processes die, links are cut
/// and posts land late, torn or without their completion. What ownership would decide is decided
/// here, by the same rules: mark before alone, fence before takeover, copy before in sync.
/// </summary>
internal sealed partial class Story : IDisposable
{
    private const int AreaBytes = 12 * 1024;
    private const int LargeBytes = 48 * 1024;

    private readonly Random random;
    private readonly TestPair pair;
    private readonly Reference reference = new((int)TestNode.VolumeBytes);
    private readonly List<TestRequest> reads = [];
    private readonly List<string> told = [];
    private TestNode owner;
    private bool inSync = true;
    private Task<bool>? operation; // A push, or a copy.
    private Action<bool>? then;
    private string? wrong; // What a read saw and could not have seen.
    private bool turning; // The copy has ended; the last of it is not at the partner yet.
    private bool spoiled; // A record of changes was: a copy may find differences.

    /// <summary>A pair in sync.</summary>
    /// <param name="seed">What happens follows from it.</param>
    /// <param name="restless">Whether the clients ask again from within all that they are
    /// told.</param>
    public Story(int seed, bool restless = false)
    {
        this.restless = restless;
        random = new Random(seed);
        pair = TestPair.InSync(
            restless && seed % 4 == 0 ? PersistenceLevel.Power : PersistenceLevel.Process);
        owner = pair.A;
        pair.A.Disk.Cached = pair.B.Disk.Cached = seed % 3 != 0;
        Listen(pair.A);
        Listen(pair.B);
        ((TestProgress)pair.Copied).Told = _ => React();
    }

    private TestNode Partner => owner.Peer!;

    /// <summary>The story as told so far, newest last.</summary>
    public string Told => string.Join('\n', told.TakeLast(60));

    public void Run(int steps)
    {
        for (int step = 0; step < steps; step++)
        {
            budget = restless ? random.Next(20) : 0;
            Step();
            Look();
        }

        budget = 0;
        Settle();
        Assert.Empty(open);
    }

    public void Dispose() => pair.Dispose();

    private void Tell(string what) =>
        told.Add($"{pair.Reactor.Now.Nanoseconds / 1_000_000}: {what}");

    private void Step()
    {
        switch (random.Next(restless ? 46 : 40))
        {
            case >= 40:
                Hinder();
                break;
            case < 16:
                Change();
                break;
            case < 22:
                Read();
                break;
            case < 30:
                pair.Reactor.Run(random.Next(1, 12));
                break;
            case < 32 when owner.Port is { } port:
                port.Held = !port.Held;
                port.Carry(port.Held ? 0 : int.MaxValue);
                break;
            case < 36:
                owner.Port?.Carry(random.Next(1, 4));
                pair.Reactor.Drain();
                break;
            case 36 when inSync:
                Violence();
                break;
            case 36 or 37:
                Return();
                break;
            case 38 when random.Next(3) == 0:
                Violence();
                break;
            default:
                pair.Reactor.Run(60);
                break;
        }
    }

    private void Change()
    {
        int number = reference.Next();
        int length = random.Next(8) == 0 ? random.Next(1, LargeBytes) : random.Next(1, 6000);
        int offset = Place(length);
        byte[] data = new byte[length];
        for (int i = 0; i < length; i++)
        {
            data[i] = Reference.ByteOf(number, offset + i);
        }

        TestRequest request = new()
        {
            Answered = Answered,
            Operation = random.Next(6) switch
            {
                0 => VolumeOperation.Trim,
                1 => VolumeOperation.WriteZeroes,
                _ => VolumeOperation.Write,
            },
            Offset = offset,
            Length = length,
            Buffer = data,
        };
        reference.Submitted(number, request);
        Submit(request);
        if (random.Next(3) != 0)
        {
            owner.Volume.Commit();
        }
    }

    /// <summary>Small areas far from each other: changes meet, and granules stay apart.</summary>
    private int Place(int length) => length > AreaBytes
        ? random.Next((int)TestNode.VolumeBytes - length + 1)
        : (random.Next(4) * ((int)TestNode.VolumeBytes / 4)) + random.Next(AreaBytes - length + 1);

    private void Read()
    {
        int length = random.Next(1, 9000);
        TestRequest read = new() { Answered = Check };
        reads.Add(read.ToRead(Place(length), length));
        Submit(read);
    }

    /// <summary>At the moment a read is answered.</summary>
    private void Check(TestRequest read)
    {
        if (read.Status == VolumeStatus.Ok)
        {
            reference.Settle();
            wrong ??= reference.Refute((int)read.Offset, read.Buffer.Span);
        }

        Answered(read);
    }

    private void Look()
    {
        Assert.True(wrong is null, wrong);
        reference.Settle();
        reads.RemoveAll(read => read.Status is not null);
        if (operation is { IsCompleted: true } ended)
        {
            operation = null;
            Tell($"ended: {ended.Result}");
            then!(ended.Result);
        }

        if (turning && owner.Log is { Role: LogRole.Mirrored, PartnerHoldsAll: true })
        {
            Tell("in sync");
            turning = false;
            inSync = true;
            spoiled = false;
            pair.Swapped(owner, SyncState.InSync);
            owner.Log.ClearForgot();
            Partner.Log.ClearForgot();
        }
    }

    private void Violence()
    {
        int kind = random.Next(5);
        Tell($"violence {kind}, {(inSync ? "in sync" : "stale")}, owner {owner.Log.Role}");
        switch (kind)
        {
            case 0:
                CrashOwner();
                break;
            case 1:
                Crash(Partner);
                PartnerGone();
                break;
            case 2:
                CrashBoth();
                break;
            case 3 when inSync && Partner.Up:
                // The link is cut, and the partner wins: the owner is still there, and frozen.
                Cut();
                TakeOver();
                break;
            case 4 when inSync && operation is null && Partner.Up:
                HandOver();
                break;
            default:
                Cut();
                PartnerGone();
                break;
        }
    }

    private void Crash(TestNode node)
    {
        if (node.Up)
        {
            open.RemoveAll(one => one.Node == node);
            node.Port?.Land(random.Next(3));
            node.Port?.Tear(random.Next(6000));
            node.Crash();
        }

        Cut();
    }

    private void Cut()
    {
        owner.Port?.Land(random.Next(3));
        pair.Disconnect();
        operation = null;
        turning = false;
        Look();
    }

    private void CrashOwner()
    {
        Crash(owner);
        reference.OwnerGone();
        reads.Clear();
        if (inSync && Partner.Up)
        {
            TakeOver();
        }
        else
        {
            BootOwner();
        }
    }

    private void CrashBoth()
    {
        Crash(owner);
        Crash(Partner);
        reference.OwnerGone();
        reads.Clear();
        if (inSync && random.Next(2) == 0)
        {
            Boot(Partner);
            TakeOver();
            return;
        }

        BootOwner();
    }

    /// <summary>Takes a changed granule out of the owner's record, checksum and all.</summary>
    private void DropFromRecord()
    {
        int at = RecordCodec.PagesAt;
        if (owner.Record.Bytes.Length < at + RecordCodec.PageBytes || random.Next(4) != 0)
        {
            return;
        }

        Tell("a granule is dropped from the record");
        spoiled = true;
        Span<byte> page = owner.Record.Bytes.AsSpan(at, RecordCodec.PageBytes);
        page[16] &= (byte)(page[16] - 1);
        BitConverter.TryWriteBytes(page, Crc32C.Of(page[4..]));
    }

    private void BootOwner()
    {
        if (!inSync)
        {
            DropFromRecord();
        }

        Boot(owner);
        Assert.False(owner.Log.Summary.Forgot, owner.Log.Summary.ForgotWhy);
        owner.Log.Freeze();
        PartnerGone();
    }

    /// <summary>The owner without its partner: resumes with it, or marks it and goes on.</summary>
    private void PartnerGone()
    {
        if (inSync && random.Next(2) == 0)
        {
            pair.Reactor.Run(random.Next(30));
            Resume();
            return;
        }

        inSync = false;
        Tell("alone");
        pair.GoAlone(owner);
    }

    /// <summary>S7: the same owner and an in-sync partner, after the tail was pushed.</summary>
    private void Resume()
    {
        Tell("resume");
        Join(format: false, good =>
        {
            if (good)
            {
                owner.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: true);
            }
            else if (owner.Port is null)
            {
                PartnerGone();
            }
            else
            {
                Cut();
                PartnerGone();
            }
        });
    }

    private void Join(bool format, Action<bool> ended)
    {
        if (!Partner.Up)
        {
            Boot(Partner);
        }

        if (Partner.Log.Role is LogRole.Fenced or LogRole.Frozen or LogRole.Alone
            or LogRole.Mirrored or LogRole.Resyncing)
        {
            Partner.Log.StepDown();
        }

        if (owner.Port is null)
        {
            pair.Connect();
        }

        Partner.Log.BecomePassive();
        pair.Reactor.Run(1);
        then = ended;
        operation = pair.Reactor.Start(() => owner.Log.PushAsync(pair.Term, format));
    }

    private void TakeOver()
    {
        TestNode former = owner;
        owner = Partner;
        inSync = false;
        owner.Log.Fence();
        Assert.False(owner.Log.Summary.Forgot, owner.Log.Summary.ForgotWhy);
        if (former.Up)
        {
            former.Log.StepDown();
            Look();
        }

        reference.OwnerGone();
        reads.Clear();
        Tell($"{(owner == pair.A ? "a" : "b")} takes over");
        pair.GoAlone(owner);
    }

    /// <summary>S14: drained, equal, swapped; the former owner follows at once.</summary>
    private void HandOver()
    {
        if (owner.Log.Role != LogRole.Mirrored)
        {
            return;
        }

        Tell("hand over");
        owner.ReleaseWorkers();
        owner.Port!.Held = false;
        owner.Port.Carry();
        Assert.True(pair.Reactor.Await(async () =>
        {
            await owner.Store.DrainAsync(owner.Log.Group, default);
            return true;
        }));
        Look();
        if (restless && random.Next(3) == 0)
        {
            Tell("no hand over");
            owner.Store.Resume(owner.Log.Group);
            return;
        }

        Assert.True(restless || reference.Pending == 0);
        Partner.Log.Fence();
        owner.Log.StepDown();
        owner = Partner;
        pair.Swapped(owner, SyncState.InSync);
        Resume();
    }

    /// <summary>S11: a stale partner is copied to while clients go on.</summary>
    private void Return()
    {
        if (inSync || operation is not null || turning
            || owner.Log.Role is not LogRole.Alone)
        {
            return;
        }

        Tell("copy begins");
        Join(format: true, pushed =>
        {
            if (!pushed)
            {
                return;
            }

            owner.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: false);
            then = copied =>
            {
                CopyProgress progress = ((TestProgress)pair.Copied).Last;
                Tell($"{progress}");
                Assert.True(spoiled || progress.Mismatches == 0, "a change was not recorded");
                if (copied && owner.Log.Role == LogRole.Resyncing)
                {
                    owner.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: true);
                    turning = true;
                }
            };
            operation = pair.Reactor.Start(
                () => owner.Store.ResyncAsync(owner.Log.Group, pair.Copied, default));
        });
    }

    /// <summary>No more faults: the pair comes to rest in sync, and everything is compared.</summary>
    private void Settle()
    {
        Tell("settle");
        Unhinder();
        for (int turn = 0; turn < 100 && !(inSync && operation is null && !turning
            && owner.Log.Role == LogRole.Mirrored); turn++)
        {
            if (owner.Port is { } port)
            {
                port.Held = false;
                port.Carry();
            }

            owner.Volume.Commit();
            pair.Reactor.Run(50);
            Look();
            if (owner.Log.Role == LogRole.Frozen && operation is null)
            {
                Cut();
                PartnerGone();
            }

            Return();
        }

        Assert.True(inSync && owner.Log.Role == LogRole.Mirrored, $"does not settle: {inSync} "
            + $"{owner.Log.Role}, {Partner.Log.Role}; {((TestProgress)pair.Copied).Last}; "
            + $"{owner.Inner.Report()} {owner.Store.Report()} {Partner.Inner.Report()} "
            + $"{Partner.Store.Report()}");
        owner.Port!.Held = false;
        owner.Port.Carry();
        owner.Volume.Commit();
        pair.Reactor.Run(200);
        for (int i = 0; i < 20 && owner.Log.FlushedOnBoth < owner.Log.Acknowledged; i++)
        {
            pair.Reactor.Run(50); // A disk that was full is tried again each second.
        }

        Look();
        Assert.Equal(0, reference.Pending);
        Compare("the owner");
        Assert.True(owner.Log.FlushedOnBoth == owner.Log.Acknowledged,
            $"not flushed on both: {owner.Inner.Report()} {Partner.Inner.Report()}");
        Assert.True(
            owner.Disk.Bytes.AsSpan().SequenceEqual(Partner.Disk.Bytes), "the disks differ");
        Crash(owner);
        TakeOver();
        Compare("the partner");
    }

    private void Compare(string who)
    {
        TestRequest read = TestRequest.Read(owner.Volume, 0, (int)TestNode.VolumeBytes);
        pair.Reactor.Run(5);
        Assert.Equal(VolumeStatus.Ok, read.Status);
        string? why = reference.Refute(0, read.Buffer.Span);
        Assert.True(why is null, $"{who}: {why}");
    }
}
