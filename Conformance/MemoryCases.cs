using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Conformance;

/// <summary>Memory: contents, bounds, rights, atomic words, order.</summary>
internal static class MemoryCases
{
    public static IReadOnlyList<Action<ITransportPair>> All =>
    [
        Writes_and_reads_carry_the_bytes,
        Bounds_are_checked,
        Rights_are_checked,
        Wrong_keys_and_addresses_are_remote_access_errors,
        Local_ranges_are_checked,
        Words_are_atomic,
        Data_is_there_before_the_word_that_tells_of_it,
        Sizes_are_checked_and_rounded,
        Backing_keeps_the_contents,
        Backing_of_another_length_is_refused,
    ];

    private static void Writes_and_reads_carry_the_bytes(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        using IRegion local = ConnectedPair.Map(nodes.First, Size.MiB);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.MiB);
        using IRemoteMemory memory = nodes.First.Import(
            remote.Offer(RemoteAccess.Read | RemoteAccess.Write));
        Check.That(!remote.Bytes.ContainsAnyExcept((byte)0));
        Random random = new(7);
        random.NextBytes(local.Bytes);
        foreach (int length in (int[])[0, 1, 7, 8, 9, 63, 4096, 4097, 300_000])
        {
            int from = random.Next(Size.MiB - length);
            int to = random.Next(Size.MiB - length);
            Check.That(port.TryPostWrite(1, local, from, memory, to, length));
            Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, 1));
            Check.That(local.Bytes.Slice(from, length)
                .SequenceEqual(remote.Bytes.Slice(to, length)));
            Check.That(port.TryPostRead(2, local, 0, memory, to, length));
            Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, 2));
            Check.That(local.Bytes[..length].SequenceEqual(remote.Bytes.Slice(to, length)));
        }
    }

    private static void Bounds_are_checked(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        using IRegion local = ConnectedPair.Map(nodes.First, 2 * Size.Page);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(
            remote.Offer(RemoteAccess.Read | RemoteAccess.Write));
        (long Offset, int Length)[] beyond =
        [
            (-1, 1), (Size.Page, 1), (Size.Page - 1, 2), (0, Size.Page + 1),
            (long.MaxValue, 1), (long.MinValue, 8), (1L << 32, 8),
        ];
        foreach ((long offset, int length) in beyond)
        {
            (IPort writer, IPort _) = nodes.Ports();
            Check.That(writer.TryPostWrite(1, local, 0, memory, offset, length));
            Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(writer, 1));
            (IPort reader, IPort _) = nodes.Ports();
            Check.That(reader.TryPostRead(1, local, 0, memory, offset, length));
            Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(reader, 1));
        }

        (IPort port, IPort _) = nodes.Ports();
        Check.That(port.TryPostWrite(1, local, 0, memory, Size.Page - 1, 1));
        Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, 1));
        Check.That(port.TryPostWriteWord(2, 1, memory, Size.Page - 8));
        Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, 2));
    }

    private static void Rights_are_checked(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        foreach (RemoteAccess access in (RemoteAccess[])[RemoteAccess.Read, RemoteAccess.Write])
        {
            using IRegion local = ConnectedPair.Map(nodes.First, Size.Page);
            using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
            RemoteRegion offer = remote.Offer(access);
            Check.Equal(access, offer.Access);
            local.Bytes.Fill(5);

            // Claiming more than was offered must not help.
            using IRemoteMemory memory = nodes.First.Import(
                offer with { Access = RemoteAccess.Read | RemoteAccess.Write });
            (IPort port, IPort _) = nodes.Ports();
            Check.That(access == RemoteAccess.Write
                ? port.TryPostRead(1, local, 0, memory, 0, 64)
                : port.TryPostWrite(1, local, 0, memory, 0, 64));
            Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(port, 1));
            Check.Equal(0, remote.Bytes[0]);
            Check.Equal(5, local.Bytes[0]);
            (IPort fresh, IPort _) = nodes.Ports();
            Check.That(access == RemoteAccess.Read
                ? fresh.TryPostRead(1, local, 0, memory, 0, 64)
                : fresh.TryPostWrite(1, local, 0, memory, 0, 64));
            Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(fresh, 1));
        }
    }

    private static void Wrong_keys_and_addresses_are_remote_access_errors(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        RemoteRegion offer = remote.Offer(RemoteAccess.Read | RemoteAccess.Write);
        RemoteRegion[] wrong =
        [
            default,
            offer with { Key = 0 },
            offer with { Key = offer.Key ^ (1UL << 40) },
            offer with { Key = offer.Key + 1 },
            offer with { Address = offer.Address + (ulong)offer.Length },
            offer with { Address = offer.Address - Size.Page },
            offer with { Address = 0 },
        ];
        foreach (RemoteRegion region in wrong)
        {
            using IRemoteMemory memory = nodes.First.Import(region);
            Check.Equal(region, memory.Region);
            (IPort port, IPort _) = nodes.Ports();
            Check.That(port.TryPostWriteWord(1, 1, memory, 0));
            Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(port, 1));
        }

        Check.That(!remote.Bytes.ContainsAnyExcept((byte)0));
    }

    private static void Local_ranges_are_checked(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        using IRegion local = ConnectedPair.Map(nodes.First, Size.Page);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(
            remote.Offer(RemoteAccess.Read | RemoteAccess.Write));
        (int, int)[] beyond =
            [(-1, 1), (0, -1), (Size.Page, 1), (0, Size.Page + 1), (int.MaxValue, int.MaxValue)];
        foreach ((int offset, int length) in beyond)
        {
            Check.Throws<ArgumentOutOfRangeException>(
                () => port.TryPostWrite(1, local, offset, memory, 0, length));
            Check.Throws<ArgumentOutOfRangeException>(
                () => port.TryPostRead(1, local, offset, memory, 0, length));
        }

        Check.Throws<ArgumentOutOfRangeException>(() => port.TryPostWriteWord(1, 1, memory, 4));
        Check.Equal(PortState.Open, port.State);
        Check.Equal(0, port.Poll(new Completion[4]));
    }

    private static void Words_are_atomic(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort other) = nodes.Ports();
        using IRegion local = ConnectedPair.Map(nodes.First, Size.Page);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(
            remote.Offer(RemoteAccess.Read | RemoteAccess.Write));
        const int Rounds = 200_000;
        Thread writer = new(() =>
        {
            // Through the owner's own memory, as fast as it goes: all bits one, all bits zero.
            for (int i = 0; i < Rounds; i++)
            {
                Volatile.Write(
                    ref System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(
                        remote.Bytes)[1],
                    (i & 1) == 0 ? ulong.MaxValue : 0);
            }
        });
        writer.Start();
        try
        {
            while (writer.IsAlive)
            {
                Check.That(port.TryPostRead(1, local, 0, memory, 8, 8));
                Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, 1));
                ulong seen = BitConverter.ToUInt64(local.Bytes);
                Check.That(seen is 0 or ulong.MaxValue, $"torn word {seen:x16}");
            }
        }
        finally
        {
            writer.Join(); // Whatever was found: its memory must outlive it.
        }

        other.Dispose();
    }

    private static void Data_is_there_before_the_word_that_tells_of_it(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        using IRegion local = ConnectedPair.Map(nodes.First, 2 * Size.Page);
        using IRegion remote = ConnectedPair.Map(nodes.Second, 2 * Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(RemoteAccess.Write));
        const ulong Rounds = 20_000;
        ConformanceException? failure = null;
        Thread reader = new(() => failure = Record(() => Watch(remote, Rounds)));
        reader.Start();
        Completion[] done = new Completion[2];
        for (ulong round = 1; round <= Rounds; round++)
        {
            local.Bytes[..Size.Page].Fill((byte)round);
            Check.That(port.TryPostWrite(1, local, 0, memory, Size.Page, Size.Page));
            Check.That(port.TryPostWriteWord(2, round, memory, 0));
            int count = 0;
            ConnectedPair.Await(() => (count += port.Poll(done)) == 2, "completions");
        }

        reader.Join();
        Check.That(failure is null, failure?.Message ?? "");
    }

    /// <summary>
    /// Seeing round n, all of the page is n or, where the next write is under way, n + 1.
    /// </summary>
    private static void Watch(IRegion remote, ulong rounds)
    {
        Span<byte> bytes = remote.Bytes;
        ulong seen = 0;
        while (seen < rounds)
        {
            seen = Volatile.Read(
                ref System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(bytes)[0]);
            byte first = Volatile.Read(ref bytes[Size.Page]);
            byte last = Volatile.Read(ref bytes[(2 * Size.Page) - 1]);
            ulong after = Volatile.Read(
                ref System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(bytes)[0]);
            if (after - seen < byte.MaxValue) // Else bytes went round while this thread slept.
            {
                byte ahead = (byte)(after + 1 - seen);
                Check.That((byte)(first - seen) <= ahead, $"{first} behind {seen}");
                Check.That((byte)(last - seen) <= ahead, $"{last} behind {seen}");
            }

            if (Environment.ProcessorCount == 1)
            {
                Thread.Yield(); // Else the writer gets a turn once in a scheduler's slice only.
            }
        }
    }

    private static ConformanceException? Record(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (ConformanceException failure)
        {
            return failure;
        }
    }

    private static void Sizes_are_checked_and_rounded(ITransportPair pair)
    {
        using IRegion region = ConnectedPair.Map(pair.First, 1);
        Check.Equal(Size.Page, region.Length);
        Check.Equal(Size.Page, region.Bytes.Length);
        Check.Equal(Size.Page, region.Memory.Length);
        Check.Throws<RefusedException>(() => ConnectedPair.Map(pair.First, 0));
        Check.Throws<RefusedException>(() => ConnectedPair.Map(pair.First, -1));
        Check.Throws<RefusedException>(() => ConnectedPair.Map(pair.First, int.MaxValue));
    }

    private static void Backing_keeps_the_contents(ITransportPair pair)
    {
        using BackingFolder folder = new();
        string path = folder.File("nvram");
        for (int round = 0; round < 3; round++)
        {
            using IRegion region = ConnectedPair.Map(pair.First, 3 * Size.Page, backing: path);
            Check.Equal((byte)round, region.Bytes[5000]);
            region.Bytes[5000]++;
            Check.Equal((byte)(round + 1), File.ReadAllBytes(path)[5000]);
        }

        Check.Equal(1, folder.Count);
    }

    private static void Backing_of_another_length_is_refused(ITransportPair pair)
    {
        using BackingFolder folder = new();
        string path = folder.File("nvram");
        foreach (int length in (int[])[0, Size.Page - 1, Size.Page + 1, 2 * Size.Page])
        {
            File.WriteAllBytes(path, new byte[length]);
            Check.Throws<RefusedException>(
                () => ConnectedPair.Map(pair.First, Size.Page, backing: path));
            Check.Equal(length, (int)new FileInfo(path).Length);
        }
    }
}
