using Microsoft.Coyote.Runtime;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Interleavings.Doubles;
using StorageOs.Transport.Tcp;
using StorageOs.Transport.Tcp.Interop;

namespace StorageOs.Interleavings.Scenarios;

/// <summary>The TCP transport: service threads, owners of ports, and whoever closes them.</summary>
public static class TransportScenarios
{
    private const ulong Address = 0x10000;
    private const int Length = 64;
    private static readonly byte[] Word = [1, 2, 3, 4, 5, 6, 7, 8];

    /// <summary>The partner writes while its access ends, at the hands of two.</summary>
    public static void Nothing_lands_after_a_revocation()
    {
        Usage usage = new();
        GrantTable grants = new([usage]);
        MappedMemory memory = new(Length);
        Grant grant = grants.Add(Address, memory, Length, RemoteAccess.Write);
        List<byte[]> after = [];
        void Revoke()
        {
            grants.Revoke(grant);
            after.Add([.. memory.Content]);
        }

        Together.Run(
            () =>
            {
                _ = grants.Write(usage, grant.Key, Address, Word);
                _ = grants.Write(usage, grant.Key, Address + 8, Word);
            },
            Revoke,
            Revoke);
        Together.Require(
            after.All(seen => seen.AsSpan().SequenceEqual(memory.Content)),
            "a byte lands after the end");
        Together.Require(
            grants.Write(usage, grant.Key, Address, Word) == CompletionStatus.RemoteAccessError,
            "a key opens what it did before");
    }

    /// <summary>A region goes while the partner writes to it.</summary>
    public static void Nobody_uses_a_region_that_is_unmapped()
    {
        TcpTransport transport = new();
        TcpRegion region = new(transport, new("log", Length, RemoteAccess.Write), Length, Address);
        RemoteRegion offer = region.Offer(RemoteAccess.Write);
        Together.Run(
            () =>
            {
                Usage usage = transport.Thread.Usage;
                _ = transport.Grants.Write(usage, offer.Key, offer.Address, Word);
                _ = transport.Grants.Write(usage, offer.Key, offer.Address, Word);
            },
            region.Dispose,
            region.Revoke);
        Together.Require(transport.Forgotten == 1, "a region has ended twice, or never");
    }

    /// <summary>An owner sleeps on the port's bell while its connection comes and goes.</summary>
    public static void Owner_of_a_port_is_woken_for_all_that_comes()
    {
        PortEnd end = Open(out _, out Link link);
        Together.Run(
            () =>
            {
                while (true)
                {
                    _ = end.TakeKick();
                    if (end.Requests is not null && end.State == PortState.ClosedByPartner
                        && link.Gone)
                    {
                        return;
                    }

                    Libc.Of(end.Kick).Await();
                }
            },
            () => end.TryTakeRequests(new Wire()),
            end.PartnerSaidBye,
            link.End);
    }

    /// <summary>An owner that polls by itself just as it is woken may sleep again.</summary>
    public static void Owner_of_a_port_who_has_seen_all_sleeps()
    {
        PortEnd end = Open(out _, out _);
        Together.Run(() => end.TryTakeRequests(new Wire()), () => end.TakeKick());
        EventCounter bell = Libc.Of(end.Kick);
        for (int polls = 0; bell.Readable && polls < 3; polls++)
        {
            _ = end.TakeKick();
        }

        Together.Require(!bell.Readable, "the owner of a port is woken for ever, for nothing");
    }

    /// <summary>A port is closed as its connection comes and the partner goes.</summary>
    public static void Closed_port_keeps_nothing_and_touches_nothing()
    {
        PortEnd end = Open(out TcpTransport transport, out Link link);
        Wire wire = new();
        Together.Run(
            () =>
            {
                if (!end.TryTakeRequests(wire))
                {
                    wire.Dispose();
                }
            },
            end.PartnerEnded,
            link.End,
            end.Dispose,
            end.Dispose);
        Together.Require(wire.Ended, "a connection stays open");
        Together.Require(end.Kick.IsClosed, "a descriptor stays open");
        Together.Require(
            transport.Forgotten == 1 && link.Count == 0, "a port is remembered, or closed twice");
    }

    /// <summary>What is known of the partner's end is what was told first.</summary>
    public static void First_word_on_the_partner_stands()
    {
        PortEnd end = Open(out TcpTransport transport, out _);
        Together.Run(end.PartnerSaidBye, end.PartnerEnded);
        Together.Require(transport.Changes == 1, "it is told twice");
        Together.Require(end.State == PortState.ClosedByPartner, "it is told otherwise");
    }

    /// <summary>Slots are given out and come back; few, so that they are the same.</summary>
    public static void Slot_that_comes_back_is_empty()
    {
        Transport.Loopback.MappedBoard board = new();
        Transport.Loopback.SlotPool pool = new(board);
        ulong goes = pool.Publish(default);
        ulong stays = pool.Publish(default);
        ulong comes = 0;
        Together.Run(
            () => pool.Clear(goes),
            () =>
            {
                try
                {
                    comes = pool.Publish(default);
                }
                catch (RefusedException)
                {
                    comes = 0; // It asked before there was one.
                }
            });
        Together.Require(
            !board.Holds(goes) && board.Holds(stays), "a grant ends late, or another's does");
        Together.Require(comes == 0 || board.Holds(comes), "a grant is ended by another's end");
    }

    /// <summary>Ports are opened at once on the words that goodbyes are told in.</summary>
    public static void Ports_have_words_of_their_own()
    {
        using Transport.Verbs.Board board = new();
        (ulong one, ulong other) = (0, 0);
        Together.Run(() => one = board.NewId(), () => other = board.NewId());
        Together.Require(
            Transport.Verbs.Board.OffsetOf(one) != Transport.Verbs.Board.OffsetOf(other),
            "two ports have one word");
        board.Free(one);
        board.Free(other);
    }

    /// <summary>Queue pairs are given up while the transport ends.</summary>
    public static void Every_queue_pair_is_destroyed_once()
    {
        Transport.Verbs.Retirement retirement = new();
        Transport.Verbs.QueuePair[] pairs = [new(), new(), new(), new()];
        Together.Run(
            () =>
            {
                retirement.Take(pairs[0]);
                retirement.Take(pairs[1]);
            },
            () =>
            {
                retirement.Take(pairs[2]);
                retirement.Take(pairs[3]);
            },
            retirement.Dispose);
        Together.Require(pairs.All(static pair => pair.Ended), "a queue pair is never destroyed");
    }

    private static PortEnd Open(out TcpTransport transport, out Link link)
    {
        EventCounter.Reset();
        transport = new TcpTransport();
        link = new Link();
        PortEnd end = new(transport, 1, default, wellKnown: false);
        end.Join(link);
        return end;
    }
}
