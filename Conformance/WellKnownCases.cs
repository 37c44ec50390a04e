using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Conformance;

/// <summary>The well-known port: preset values, reconnecting, the partner's end.</summary>
internal static class WellKnownCases
{
    public static IReadOnlyList<Action<ITransportPair>> All =>
    [
        Page_answers_at_its_preset_address,
        Wrong_preset_address_is_a_remote_access_error,
        Page_cannot_be_written,
        Inbox_takes_words_and_is_readable,
        Alone_it_goes_on_connecting,
        Reconnects_many_times,
        Old_keys_are_dead_after_reconnecting,
        Closing_one_end_fails_the_other,
        Partner_gone_is_told_to_every_port,
        Bad_partner_addresses_are_refused,
    ];

    private static void Page_answers_at_its_preset_address(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        nodes.SecondPage.Bytes[100] = 42;
        using IRegion local = ConnectedPair.Map(nodes.First, Size.Page);
        IWellKnownPort port = nodes.FirstWellKnown;
        Check.Equal(ConnectedPair.SecondPageAddress, port.PartnerPage.Region.Address);
        Check.That(port.Port.TryPostRead(1, local, 0, port.PartnerPage, 0, Size.Page));
        Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port.Port, 1));
        Check.Equal(42, local.Bytes[100]);
    }

    private static void Wrong_preset_address_is_a_remote_access_error(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        nodes.FirstWellKnown.Dispose();
        nodes.SecondWellKnown.Dispose();
        using IWellKnownPort first = nodes.First.OpenWellKnown(
            nodes.FirstNeed with { PartnerMemoryAddress = ConnectedPair.SecondPageAddress + 8 });
        using IWellKnownPort second = nodes.Second.OpenWellKnown(nodes.SecondNeed);
        ConnectedPair.AwaitConnected(first, second);
        using IRegion local = ConnectedPair.Map(nodes.First, Size.Page);
        Check.That(first.Port.TryPostRead(1, local, 0, first.PartnerPage, 0, Size.Page));
        Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(first.Port, 1));
        Check.Equal(PortState.Failed, first.Port.State);
        Check.Equal(WellKnownState.Failed, first.Poll());
    }

    private static void Page_cannot_be_written(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        IWellKnownPort port = nodes.FirstWellKnown;
        Check.That(port.Port.TryPostWriteWord(1, 7, port.PartnerPage, 0));
        Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(port.Port, 1));
        Check.Equal(0, nodes.SecondPage.Bytes[0]);
    }

    private static void Inbox_takes_words_and_is_readable(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        IWellKnownPort port = nodes.SecondWellKnown;
        Check.That(port.Port.TryPostWriteWord(1, 0x0102, port.PartnerInbox, 8));
        Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port.Port, 1));
        Check.Equal(0x0102UL, BitConverter.ToUInt64(nodes.FirstInbox.Bytes[8..]));
        Check.That(port.Port.TryPostRead(2, nodes.SecondInbox, 16, port.PartnerInbox, 8, 8));
        Check.Equal(CompletionStatus.Success, ConnectedPair.Complete(port.Port, 2));
        Check.Equal(0x0102UL, BitConverter.ToUInt64(nodes.SecondInbox.Bytes[16..]));
    }

    private static void Alone_it_goes_on_connecting(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        nodes.FirstWellKnown.Dispose();
        nodes.SecondWellKnown.Dispose();
        foreach (bool connects in (bool[])[true, false])
        {
            using IWellKnownPort alone = nodes.First.OpenWellKnown(
                nodes.FirstNeed with { Connects = connects, PartnerAddress = pair.UnknownAddress });
            for (int i = 0; i < 100; i++)
            {
                Check.Equal(WellKnownState.Connecting, alone.Poll());
            }

            Check.That(alone.Detail.Length > 0);
        }
    }

    private static void Reconnects_many_times(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        nodes.Reconnect();
        (int files, int maps) before = ProcessUse.Now();
        for (int i = 0; i < 200; i++)
        {
            nodes.Reconnect();
            Check.Equal(PortState.Open, nodes.FirstWellKnown.Port.State);
        }

        (int files, int maps) after = ProcessUse.Now();
        // Twice as much is what one that is leaked each time comes to; the rest is the runtime.
        Check.That(after.files <= before.files + 16, $"descriptors {before} then {after}");
        Check.That(after.maps <= before.maps + 100, $"mappings {before} then {after}");
    }

    private static void Old_keys_are_dead_after_reconnecting(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        using IRemoteMemory old = nodes.First.Import(nodes.FirstWellKnown.PartnerInbox.Region);
        nodes.Reconnect();
        IPort port = nodes.FirstWellKnown.Port;
        Check.That(port.TryPostWriteWord(1, 99, old, 0));
        Check.Equal(CompletionStatus.RemoteAccessError, ConnectedPair.Complete(port, 1));
        Check.Equal(0UL, BitConverter.ToUInt64(nodes.SecondInbox.Bytes));
    }

    private static void Closing_one_end_fails_the_other(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        nodes.SecondWellKnown.Dispose();
        ConnectedPair.Await(
            () => nodes.FirstWellKnown.Poll() == WellKnownState.Failed, "the end of the port");
        Check.That(nodes.FirstWellKnown.Detail.Length > 0);
    }

    private static void Partner_gone_is_told_to_every_port(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        if (!pair.TryBreakSecond())
        {
            return;
        }

        ConnectedPair.Await(() => port.State == PortState.PartnerGone, "partner gone");
        ConnectedPair.Await(
            () => nodes.FirstWellKnown.Poll() == WellKnownState.Failed, "its end");
        Check.Equal(PortState.PartnerGone, nodes.FirstWellKnown.Port.State);
        using IRemoteMemory nothing = nodes.First.Import(default);
        for (ulong token = 1; token <= 2; token++)
        {
            Check.That(port.TryPostWriteWord(token, 1, nothing, 0));
            Check.Equal(CompletionStatus.PartnerGone, ConnectedPair.Complete(port, token));
        }
    }

    private static void Bad_partner_addresses_are_refused(ITransportPair pair)
    {
        using ConnectedPair nodes = new(pair);
        nodes.FirstWellKnown.Dispose();
        foreach (string bad in (string[])["", "nowhere", pair.FirstAddress])
        {
            Check.Throws<RefusedException>(() => nodes.First.OpenWellKnown(
                nodes.FirstNeed with { PartnerAddress = bad }));
        }
    }
}
