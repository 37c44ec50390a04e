using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Claims.Tests;

/// <summary>
/// Rows of the specification about how a session is initiated, seen on the wire of the real
/// transport.
/// </summary>
public sealed class HandshakeClaims
{
    [Fact]
    public async Task Claim01_Claim12_read_write_read_write_each_after_the_one_before_succeeded()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        await pair.BothReadyAsync();
        foreach (RecordingProvider wire in new[] { pair.WireOfA, pair.WireOfB })
        {
            string kinds = string.Concat(wire.Wire.Select(o => o.Kind[0]));
            // R2 is a read of page and inbox, repeated while in order.
            Assert.Matches("^rw(rr)+w", kinds);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Claim01_nothing_follows_an_operation_that_failed(int failed)
    {
        await using TwoManagers pair = new();
        pair.WireOfA.FailAt = failed;
        pair.StartA();
        pair.StartB();
        await TwoManagers.UntilAsync(() => pair.WireOfA.Opened.Count > 1, "a second attempt");
        WireOperation[] wire = [.. pair.WireOfA.Wire];
        string kinds = string.Concat(wire.Select(o => o.Kind[0]));
        string before = kinds[..(failed + 1)];
        Assert.Equal("rwr"[..(failed + 1)], before);
        // The inbox read was posted with the page's.
        int next = failed == 2 ? failed + 2 : failed + 1;
        await TwoManagers.UntilAsync(
            () => pair.WireOfA.Wire.Count > next, "the next attempt's first read");
        WireOperation first = pair.WireOfA.Wire.ElementAt(next);
        Assert.Equal(("read", TwoManagers.MemoryOfB), (first.Kind, first.Address));
        await pair.BothReadyAsync(); // And for ever: the next attempt comes up.
    }

    [Fact]
    public async Task Claim02_Claim19_the_first_read_asks_for_the_boot_status_at_its_address()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        await pair.BothReadyAsync();
        WireOperation first = pair.WireOfA.Wire.First();
        Assert.Equal(new WireOperation("read", TwoManagers.MemoryOfB, 0), first);
        Assert.Equal(BootPhase.Connecting, pair.A.Partner.BootPhase); // What that address stores.
        pair.B.SetBootPhase(BootPhase.Recovering);
        await TwoManagers.UntilAsync(
            () => pair.A.Partner.BootPhase == BootPhase.Recovering, "the phase as it grows");
    }

    [Fact]
    public async Task Claim02_a_page_at_another_address_is_not_found()
    {
        await using TwoManagers pair = new();
        pair.StartA(partnerMemory: 0x7000000000);
        pair.StartB();
        await TwoManagers.UntilAsync(() => pair.WireOfA.Opened.Count > 2, "more attempts");
        Assert.NotEqual("Ready", pair.A.Status.State);
        Assert.DoesNotContain("write", pair.WireOfA.Wire.Select(o => o.Kind));
    }

    [Fact]
    public async Task What_the_transport_refuses_in_mid_connect_costs_that_attempt_alone()
    {
        await using TwoManagers pair = new();
        pair.WireOfA.PollsToRefuse = 1;
        pair.StartA();
        pair.StartB();
        await pair.BothReadyAsync();
        Assert.True(pair.WireOfA.Opened.Count > 1, "it was refused nothing");
    }

    [Fact]
    public async Task A_stranger_that_is_refused_leaves_no_named_event()
    {
        await using TwoManagers strangers = new();
        strangers.StartA(1, 1);
        strangers.StartB(2, 3);
        await TwoManagers.UntilAsync(
            () => strangers.Log.Any(line => line.StartsWith("a: session ", StringComparison.Ordinal)
                && line.Contains("ended", StringComparison.Ordinal)), "a session that ended");
        Assert.DoesNotContain(EventNames.SessionEnded, strangers.Named);
    }

    [Fact]
    public async Task Claim04_versions_that_overlap_agree_and_others_are_refused()
    {
        await using (TwoManagers pair = new())
        {
            pair.StartA(1, 2);
            pair.StartB(1, 1);
            await pair.BothReadyAsync();
        }

        await using TwoManagers strangers = new();
        strangers.StartA(1, 1);
        strangers.StartB(2, 3);
        await TwoManagers.UntilAsync(() => strangers.A.Status.Refusal is not null, "a refusal");
        Assert.Contains("1", strangers.A.Status.Refusal!.Expected);
        Assert.Equal("2 to 3", strangers.A.Status.Refusal!.Actual);
    }

    [Fact]
    public async Task Claim11_Claim20_the_manager_alone_connects_with_no_client_loaded()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        await pair.BothReadyAsync();
        Assert.Empty(pair.A.Status.Clients);
        Assert.Equal(pair.A.Status.Session, pair.B.Status.Session);
    }

    [Fact]
    public async Task Claim13_status_says_which_step_waits_for_a_partner_that_comes_late()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        await TwoManagers.UntilAsync(() => pair.A.Status.Step == "Opening", "the wait");
        Assert.Null(pair.A.Status.Session);
        pair.StartB();
        await pair.BothReadyAsync();
    }

    [Theory]
    [InlineData(0, "FirstRead")]
    [InlineData(1, "FirstWrite")]
    [InlineData(2, "SecondRead")]
    public async Task Claim13_a_partner_that_stops_after_a_first_step_is_told_apart_and_survived(
        int held, string step)
    {
        await using TwoManagers pair = new();
        pair.WireOfB.HoldAt = held;
        pair.StartA();
        pair.StartB();
        await TwoManagers.UntilAsync(() => pair.B.Status.Step == step, $"b in {step}");
        await TwoManagers.UntilAsync(
            () => pair.A.Status.Step == (held == 2 ? "AwaitConfirmed" : "SecondRead"),
            "a as far as it can go alone");
        Assert.Null(pair.A.Status.Session); // Read and write are done; this is no session yet.
        Assert.Null(pair.B.Status.Session);
        Assert.NotEmpty(pair.A.Status.Reason);
        Assert.Equal(PartnerCondition.Booting, pair.A.Partner.Condition);
        uint attempts = (uint)pair.WireOfA.Opened.Count;

        // It ends there and comes back in another boot.
        await pair.StopAsync(pair.B);
        await TwoManagers.UntilAsync(
            () => pair.WireOfA.Opened.Count > attempts, "a new attempt");
        pair.WireOfB.HoldAt = -1;
        pair.StartB();
        await pair.BothReadyAsync();
    }

    [Fact]
    public async Task Claim13_a_partner_that_goes_on_after_a_pause_in_its_first_write_connects()
    {
        await using TwoManagers pair = new();
        pair.WireOfB.HoldAt = 1;
        pair.StartA();
        pair.StartB();
        await TwoManagers.UntilAsync(() => pair.B.Status.Step == "FirstWrite", "b in its write");
        await TwoManagers.UntilAsync(() => pair.A.Status.Step == "SecondRead", "a waits");
        int opened = pair.WireOfA.Opened.Count;
        pair.WireOfB.HoldAt = -1;
        await pair.BothReadyAsync();
        Assert.Equal(opened, pair.WireOfA.Opened.Count); // The same attempt: nothing was lost.
    }

    [Fact]
    public async Task Claim14_to_18_and_22_a_preset_fabric_id_and_VI_number_and_nothing_else()
    {
        await using TwoManagers pair = new();
        pair.StartA();
        pair.StartB();
        await pair.BothReadyAsync();
        Assert.Equal("fc:010203", pair.WireOfA.Settings!.LocalAddress);
        WellKnownNeed need = pair.WireOfA.Opened.First();
        Assert.Equal(("fc:010204", 9u, TwoManagers.MemoryOfB),
            (need.PartnerAddress, need.PartnerPort, need.PartnerMemoryAddress));
        Assert.True(need.Connects); // The lower system id connects, the higher listens.
        Assert.False(pair.WireOfB.Opened.First().Connects);
    }
}
