using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Conformance;

/// <summary>Posts held back for one doorbell behave as posts do.</summary>
internal static class DoorbellCases
{
    // More than any transport holds back at once.
    private const int Posts = 200;

    public static IReadOnlyList<Action<ITransportPair>> All =>
    [
        Held_posts_complete_once_and_in_order,
        Held_posts_count_as_in_flight,
        A_held_post_that_fails_fails_those_behind_it,
        A_port_closed_while_it_holds_completes_all,
        A_partner_that_closes_ends_held_posts,
    ];

    private static void Held_posts_complete_once_and_in_order(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports(Posts);
        using IRegion local = ConnectedPair.Map(nodes.First, Size.Page);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(
            remote.Offer(RemoteAccess.Read | RemoteAccess.Write));
        local.Bytes[..1024].Fill(7);
        for (int round = 0; round < 3; round++)
        {
            port.Hold();
            for (ulong token = 0; token < Posts; token++)
            {
                Check.That((token % 3) switch
                {
                    0 => port.TryPostWrite(token, local, 0, memory, 0, 1024),
                    1 => port.TryPostWriteWord(token, token, memory, 1024),
                    _ => port.TryPostRead(token, local, 2048, memory, 0, 2048),
                });
            }

            port.Ring();
            for (ulong token = 0; token < Posts; token++)
            {
                Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, token));
            }

            Check.That(remote.Bytes[..1024].SequenceEqual(local.Bytes[..1024]));
            Check.Equal(199UL, BinaryPrimitives.ReadUInt64LittleEndian(remote.Bytes[1024..]));
            port.Ring();
        }
    }

    private static void Held_posts_count_as_in_flight(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports(postsInFlightMax: 3);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(RemoteAccess.Write));
        port.Hold();
        for (ulong token = 0; token < 3; token++)
        {
            Check.That(port.TryPostWriteWord(token, token + 1, memory, 0));
        }

        Check.That(!port.TryPostWriteWord(3, 99, memory, 0));
        port.Ring();
        for (ulong token = 0; token < 3; token++)
        {
            Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, token));
        }

        Check.Equal(3UL, BinaryPrimitives.ReadUInt64LittleEndian(remote.Bytes));
    }

    private static void A_held_post_that_fails_fails_those_behind_it(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(RemoteAccess.Write));
        port.Hold();
        Check.That(port.TryPostWriteWord(1, 1, memory, 0));
        Check.That(port.TryPostWriteWord(2, 2, memory, Size.Page));
        Check.That(port.TryPostWriteWord(3, 3, memory, 8));
        port.Ring();
        Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, 1));
        Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(port, 2));
        Check.Equal(CompletionStatus.PortClosed, ConnectedPair.Complete(port, 3));
        Check.Equal(1UL, BinaryPrimitives.ReadUInt64LittleEndian(remote.Bytes));
        Check.Equal(0UL, BinaryPrimitives.ReadUInt64LittleEndian(remote.Bytes[8..]));
    }

    private static void A_port_closed_while_it_holds_completes_all(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(RemoteAccess.Write));
        port.Hold();
        for (ulong token = 0; token < 5; token++)
        {
            Check.That(port.TryPostWriteWord(token, token, memory, 0));
        }

        port.Dispose();
        port.Ring();
        port.Hold();
        Check.That(port.TryPostWriteWord(5, 5, memory, 0));
        for (ulong token = 0; token < 5; token++)
        {
            Check.That(ConnectedPair.Complete(port, token)
                is CompletionStatus.Success or CompletionStatus.PortClosed);
        }

        Check.Equal(CompletionStatus.PortClosed, ConnectedPair.Complete(port, 5));
    }

    private static void A_partner_that_closes_ends_held_posts(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort other) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(RemoteAccess.Write));
        port.Hold();
        Check.That(port.TryPostWriteWord(0, 1, memory, 0));
        other.Dispose();
        ConnectedPair.Await(() => port.State == PortState.ClosedByPartner, "closed by the partner");
        Check.That(port.TryPostWriteWord(1, 2, memory, 0));
        port.Ring();
        Check.That(ConnectedPair.Complete(port, 0)
            is CompletionStatus.Success or CompletionStatus.PortClosed);
        Check.Equal(CompletionStatus.PortClosed, ConnectedPair.Complete(port, 1));
        Check.That(BinaryPrimitives.ReadUInt64LittleEndian(remote.Bytes) <= 1);
    }
}
