using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Conformance;

/// <summary>Ports: connecting, order, limits, closing.</summary>
internal static class PortCases
{
    public static IReadOnlyList<Action<ITransportPair>> All =>
    [
        Connects_in_either_order,
        Garbage_port_addresses_are_refused,
        Completes_exactly_once_and_in_order,
        Refuses_posts_beyond_its_limit,
        Limits_of_posts_are_checked,
        Closing_here_fails_later_posts,
        Closing_there_fails_posts_here,
        Failure_closes_the_port,
        Two_ports_do_not_disturb_each_other,
    ];

    private static void Connects_in_either_order(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        for (int order = 0; order < 2; order++)
        {
            IPreparedPort first = nodes.First.Prepare(new PortNeed("p", 4));
            IPreparedPort second = nodes.Second.Prepare(new PortNeed("p", 4));
            Check.That(first.Address.Length is > 0 and <= IPreparedPort.AddressBytesMax);
            IPreparedPort[] ends = order == 0 ? [first, second] : [second, first];
            using IPort early = ends[0].Connect(ends[1].Address.Span);
            using IPort late = ends[1].Connect(ends[0].Address.Span);
            Check.Equal(PortState.Open, early.State);
            Check.Equal(PortState.Open, late.State);
        }
    }

    private static void Garbage_port_addresses_are_refused(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        using IPreparedPort first = nodes.First.Prepare(new PortNeed("p", 4));
        using IPreparedPort second = nodes.Second.Prepare(new PortNeed("p", 4));
        byte[] good = second.Address.ToArray();
        Check.Throws<RefusedException>(() => first.Connect([]));
        Check.Throws<RefusedException>(
            () => first.Connect(new byte[IPreparedPort.AddressBytesMax]));
        Check.Throws<RefusedException>(() => first.Connect(good.AsSpan(1)));
        Check.Throws<RefusedException>(() => first.Connect([.. good, 0]));
        Random random = new(1);
        for (int i = 0; i < 200; i++)
        {
            byte[] garbage = new byte[random.Next(IPreparedPort.AddressBytesMax + 1)];
            random.NextBytes(garbage);
            Check.Throws<RefusedException>(() => first.Connect(garbage));
        }

        using IPort port = first.Connect(good);
        Check.Equal(PortState.Open, port.State);
    }

    private static void Completes_exactly_once_and_in_order(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports(postsInFlightMax: 7);
        using IRegion local = ConnectedPair.Map(nodes.First, Size.Page);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(
            remote.Offer(RemoteAccess.Read | RemoteAccess.Write));
        Completion[] some = new Completion[3];
        ulong posted = 0;
        ulong completed = 0;
        ConnectedPair.Await(
            () =>
            {
                while (posted < 1000 && Post(posted))
                {
                    posted++;
                }

                int count = port.Poll(some);
                foreach (Completion completion in some.AsSpan(0, count))
                {
                    Check.Equal(CompletionStatus.Success, completion.Status);
                    Check.Equal(completed++, completion.Token);
                }

                return completed == 1000;
            },
            "1000 completions");
        Check.Equal(0, port.Poll(some));

        bool Post(ulong token) => (token % 3) switch
        {
            0 => port.TryPostWrite(token, local, 0, memory, 64, 128),
            1 => port.TryPostRead(token, local, 256, memory, 0, 100),
            _ => port.TryPostWriteWord(token, token, memory, 8),
        };
    }

    private static void Refuses_posts_beyond_its_limit(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports(postsInFlightMax: 3);
        Check.Equal(3, port.PostsInFlightMax);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(RemoteAccess.Write));
        for (ulong token = 0; token < 3; token++)
        {
            Check.That(port.TryPostWriteWord(token, token + 1, memory, 0));
        }

        Check.That(!port.TryPostWriteWord(3, 99, memory, 0));
        Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, 0));
        Check.That(port.TryPostWriteWord(3, 4, memory, 0));
        for (ulong token = 1; token < 4; token++)
        {
            Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, token));
        }

        Check.Equal(4UL, BinaryPrimitives.ReadUInt64LittleEndian(remote.Bytes));
    }

    private static void Limits_of_posts_are_checked(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        foreach (int bad in (int[])[-1, 0, PortNeed.PostsInFlightLimit + 1])
        {
            Check.Throws<RefusedException>(() => nodes.First.Prepare(new PortNeed("p", bad)));
        }

        nodes.First.Prepare(new PortNeed("p", PortNeed.PostsInFlightLimit)).Dispose();
    }

    private static void Closing_here_fails_later_posts(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(RemoteAccess.Write));
        Check.That(port.TryPostWriteWord(1, 1, memory, 0));
        port.Dispose();
        port.Dispose();
        Check.Equal(PortState.Disposed, port.State);
        if (port is ICompletionChannel channel)
        {
            _ = channel.Descriptor; // Whoever hears of the end later still asks for it.
            channel.Arm();
        }
        Check.That(port.TryPostWriteWord(2, 2, memory, 0));
        ConnectedPair.Complete(port, 1);
        Check.Equal(CompletionStatus.PortClosed, ConnectedPair.Complete(port, 2));
        Check.That(BinaryPrimitives.ReadUInt64LittleEndian(remote.Bytes) <= 1);
    }

    private static void Closing_there_fails_posts_here(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort other) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(RemoteAccess.Write));
        other.Dispose();
        ConnectedPair.Await(() => port.State == PortState.ClosedByPartner, "closed by the partner");
        Check.That(port.TryPostWriteWord(1, 1, memory, 0));
        Check.Equal(CompletionStatus.PortClosed, ConnectedPair.Complete(port, 1));
        Check.Equal(0UL, BinaryPrimitives.ReadUInt64LittleEndian(remote.Bytes));
        Check.Equal(PortState.Open, nodes.FirstWellKnown.Port.State);
    }

    private static void Failure_closes_the_port(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(RemoteAccess.Write));
        Check.That(port.TryPostWriteWord(1, 1, memory, Size.Page));
        Check.That(port.TryPostWriteWord(2, 2, memory, 0));
        Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(port, 1));
        Check.Equal(CompletionStatus.PortClosed, ConnectedPair.Complete(port, 2));
        Check.Equal(PortState.Failed, port.State);
        Check.Equal(0UL, BinaryPrimitives.ReadUInt64LittleEndian(remote.Bytes));
    }

    private static void Two_ports_do_not_disturb_each_other(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort failing, IPort _) = nodes.Ports();
        (IPort port, IPort _) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(RemoteAccess.Write));
        Check.That(failing.TryPostWriteWord(1, 1, memory, -8));
        Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(failing, 1));
        Check.That(port.TryPostWriteWord(1, 5, memory, 0));
        Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, 1));
    }
}
