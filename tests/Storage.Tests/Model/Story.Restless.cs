using StorageOs.Contracts.Services;
using StorageOs.Storage.Tests.Harness;
using StorageOs.Volumes;

namespace StorageOs.Storage.Tests.Model;

/// <summary>
/// This part: clients that ask again from within whatever they are told, as a plugin on the same
/// reactor may, and disks and workers that make requests wait.
/// </summary>
internal sealed partial class Story
{
    private readonly bool restless;
    private readonly List<(TestRequest Request, TestNode Node)> open = [];
    private int budget; // How much more is asked from within in this step.

    private void Boot(TestNode node)
    {
        node.Boot();
        Listen(node);
    }

    private void Listen(TestNode node)
    {
        if (!restless)
        {
            return;
        }

        bool served = node.Volume.Served;
        node.Store.ServingChanged += () =>
        {
            Assert.NotEqual(served, node.Volume.Served);
            served = node.Volume.Served;
            React();
        };
        node.Log.Changed += React;
        node.Log.Advanced += React;
        node.Log.Reset += React;
        node.Log.SpaceFreed += React;
    }

    private void Submit(TestRequest request)
    {
        open.Add((request, owner));
        owner.Volume.Submit(request);
    }

    /// <summary>Of any request, in the call that answers it; a read has been checked.</summary>
    private void Answered(TestRequest request)
    {
        open.RemoveAll(one => one.Request == request);
        bool again = request.Status == VolumeStatus.Ok && budget > 0 && random.Next(4) == 0
            && request.Operation == VolumeOperation.Read && owner.Up && owner.Volume.Served;
        React();
        if (again)
        {
            budget--;
            int length = random.Next(1, 9000);
            Submit(request.Again().ToRead(Place(length), length));
        }

        React();
    }

    /// <summary>Does what a client may at any time, from within whatever calls it.</summary>
    private void React()
    {
        if (budget <= 0 || !owner.Up || !owner.Volume.Served)
        {
            return;
        }

        budget--;
        switch (random.Next(10))
        {
            case < 3:
                Change();
                break;
            case < 6:
                Read();
                break;
            case 6:
                Submit(new TestRequest { Operation = VolumeOperation.Flush, Answered = Answered });
                break;
            case 7:
                LookAtExtents();
                break;
            case 8:
                owner.Log.Prove((_, _) => React(), this);
                break;
            default:
                owner.Volume.Commit();
                break;
        }
    }

    /// <summary>What is said to be zeros must read as zeros (L1).</summary>
    private void LookAtExtents()
    {
        int length = random.Next(1, LargeBytes);
        int at = Place(length);
        int end = at + length;
        bool proven = owner.Log.Role != LogRole.Frozen; // Else it may be undecided what is there.
        owner.Volume.Extents(at, length, (bytes, zeros) =>
        {
            if (zeros && proven && reference.Refute(at, new byte[bytes]) is { } why)
            {
                wrong ??= $"a hole: {why}";
            }

            at += (int)bytes;
            React();
        });
        Assert.Equal(end, at);
    }

    /// <summary>Requests wait for a while: for room, or for the disk.</summary>
    private void Hinder()
    {
        switch (random.Next(6))
        {
            case 0:
                owner.HeldWorkers.Add("group0-read");
                break;
            case 1:
                owner.HeldWorkers.Add("group0-flush");
                break;
            case 2:
                owner.Disk.Writes = DiskResult.NoSpace;
                break;
            default:
                Unhinder();
                break;
        }
    }

    private void Unhinder()
    {
        foreach (TestNode node in new[] { pair.A, pair.B })
        {
            node.ReleaseWorkers();
            node.Disk.Writes = DiskResult.Ok;
        }
    }
}
