using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Conformance;

/// <summary>The life of access: offer, revoke, probe, reclaim, offer anew.</summary>
internal static class RevocationCases
{
    public static IReadOnlyList<Action<ITransportPair>> All =>
    [
        Revoked_keys_are_dead,
        Probe_tells_whether_a_key_is_dead,
        Reclaim_keeps_what_is_live,
        Reclaim_keeps_the_backing_path,
        New_key_works_and_the_old_one_stays_dead,
        Success_means_before_the_revocation,
        Reclaimed_memory_stands_still_under_a_running_writer,
        Out_of_turn_is_a_broken_promise,
    ];

    private static void Revoked_keys_are_dead(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        using IRegion local = ConnectedPair.Map(nodes.First, Size.Page);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        RemoteRegion offer = remote.Offer(RemoteAccess.Read | RemoteAccess.Write);
        using IRemoteMemory memory = nodes.First.Import(offer);
        remote.Revoke();
        remote.Revoke();
        using IRemoteMemory late = nodes.First.Import(offer);
        foreach (IRemoteMemory dead in (IRemoteMemory[])[memory, late])
        {
            (IPort writer, IPort _) = nodes.Ports();
            Check.That(writer.TryPostWriteWord(1, 1, dead, 0));
            Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(writer, 1));
            (IPort reader, IPort _) = nodes.Ports();
            Check.That(reader.TryPostRead(1, local, 0, dead, 0, 8));
            Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(reader, 1));
        }

        Check.That(!remote.Bytes.ContainsAnyExcept((byte)0));
    }

    private static void Probe_tells_whether_a_key_is_dead(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        remote.Bytes.Fill(3);
        remote.Offer(RemoteAccess.Write);
        remote.Revoke();
        Check.That(remote.ProbeRevoked());
        remote.Reclaim([new ByteRange(0, Size.Page)]);
        Check.That(remote.ProbeRevoked());
        Check.That(!remote.Bytes.ContainsAnyExcept((byte)3));
    }

    private static void Reclaim_keeps_what_is_live(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        using IRegion remote = ConnectedPair.Map(nodes.Second, 16 * Size.Page);
        byte[] contents = new byte[remote.Length];
        new Random(3).NextBytes(contents);
        contents.CopyTo(remote.Bytes);
        ByteRange[] live =
            [new(0, 10), new(10, 1), new(5000, 9000), new(remote.Length - 1, 1)];
        for (int round = 0; round < 20; round++)
        {
            remote.Offer(RemoteAccess.Read | RemoteAccess.Write);
            remote.Revoke();
            remote.Reclaim(live);
            foreach (ByteRange range in live)
            {
                Check.That(remote.Bytes.Slice(range.Offset, range.Length)
                    .SequenceEqual(contents.AsSpan(range.Offset, range.Length)));
            }
        }
    }

    private static void Reclaim_keeps_the_backing_path(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        using BackingFolder folder = new();
        string path = folder.File("nvram");
        using (IRegion remote = ConnectedPair.Map(
            nodes.Second, 2 * Size.Page, backing: path))
        {
            remote.Bytes[4097] = 9;
            remote.Offer(RemoteAccess.Write);
            remote.Revoke();
            remote.Reclaim([new ByteRange(4096, 4096)]);
            remote.Bytes[4098] = 10;
            byte[] shown = File.ReadAllBytes(path);
            Check.Equal(2 * Size.Page, shown.Length);
            Check.Equal(9, shown[4097]);
            Check.Equal(10, shown[4098]);
        }

        using IRegion again = ConnectedPair.Map(nodes.Second, 2 * Size.Page, backing: path);
        Check.Equal(10, again.Bytes[4098]);
    }

    private static void New_key_works_and_the_old_one_stays_dead(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        RemoteRegion old = remote.Offer(RemoteAccess.Write);
        using IRemoteMemory stale = nodes.First.Import(old);
        for (int round = 0; round < 50; round++)
        {
            remote.Revoke();
            remote.Reclaim([]);
            RemoteRegion offer = remote.Offer(RemoteAccess.Write);
            Check.That(offer.Key != old.Key);
            using IRemoteMemory memory = nodes.First.Import(offer);
            (IPort port, IPort _) = nodes.Ports();
            Check.That(port.TryPostWriteWord(1, 77, memory, 0));
            Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, 1));
            Check.That(port.TryPostWriteWord(2, 88, stale, 0));
            Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(port, 2));
            Check.Equal(77UL, BitConverter.ToUInt64(remote.Bytes));
        }
    }

    private static void Success_means_before_the_revocation(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        for (int round = 0; round < 50; round++)
        {
            using Writer writer = new(nodes, 64 * Size.KiB);
            writer.AwaitWrites(round % 5);
            writer.Target.Revoke();
            byte first = writer.Target.Bytes[0];
            int last = writer.Target.Bytes[^1];
            writer.Target.Reclaim([new ByteRange(0, writer.Target.Length)]);
            writer.AwaitEnd();
            Check.Equal(CompletionStatus.RemoteAccessError, writer.End);
            byte completed = (byte)writer.Completed;
            Check.That((byte)(first - completed) <= 1, $"start {first}, completed {completed}");
            Check.That((byte)(last - completed) <= 1, $"end {last}, completed {completed}");
        }
    }

    private static void Reclaimed_memory_stands_still_under_a_running_writer(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        for (int round = 0; round < 10; round++)
        {
            using Writer writer = new(nodes, 8 * Size.MiB);
            writer.AwaitWrites(1);
            writer.Target.Revoke();
            Check.That(writer.Target.ProbeRevoked());
            writer.Target.Reclaim([new ByteRange(0, writer.Target.Length)]);
            byte[] snapshot = writer.Target.Bytes.ToArray();
            writer.AwaitEnd();
            Check.That(snapshot.AsSpan().SequenceEqual(writer.Target.Bytes));
        }
    }

    private static void Out_of_turn_is_a_broken_promise(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        using IRegion region = ConnectedPair.Map(nodes.First, Size.Page, RemoteAccess.Read);
        Check.Throws<InvariantException>(() => region.Offer(RemoteAccess.Write));
        region.Offer(RemoteAccess.Read);
        Check.Throws<InvariantException>(() => region.Offer(RemoteAccess.Read));
        Check.Throws<InvariantException>(() => region.Reclaim([]));
        region.Revoke();
        Check.Throws<InvariantException>(() => region.Offer(RemoteAccess.Read));
        Check.Throws<ArgumentOutOfRangeException>(
            () => region.Reclaim([new ByteRange(0, Size.Page + 1)]));
        Check.Throws<ArgumentOutOfRangeException>(
            () => region.Reclaim([new ByteRange(8, 8), new ByteRange(0, 8)]));
        region.Reclaim([]);
        region.Offer(RemoteAccess.Read);
    }
}
