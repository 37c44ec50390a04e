using Microsoft.Playwright;
using StorageOs.Pair.Tests;
using static Microsoft.Playwright.Assertions;

namespace StorageOs.Dashboard.Tests;

/// <summary>What an operator does with it, by mouse and by keyboard.</summary>
[Collection(OnePair.Name)]
[Trait("Category", "Slow")]
public sealed class MoveTests(WebPair web, Browser browser)
{
    [Fact]
    public async Task A_group_is_moved_by_mouse_and_brought_home()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync(web.Page());
        await window.Act("takeover", 0).ClickAsync();
        await Expect(window.Dialog).ToContainTextAsync("b will serve group 0 (vol0) in place of a");
        await Expect(window.Dialog).ToContainTextAsync("Nothing hinders it");
        await Expect(window.Dialog).ToContainTextAsync("clients would wait for about");
        Assert.Equal("a", web.Owner(0)); // Asked, not moved.
        await window.ShootAsync("move-asks");
        await window.DialogIsAccessibleAsync();
        await window.Dialog.Locator("[data-do='act']").ClickAsync();
        await Expect(window.Dialog).ToContainTextAsync("b serves vol0");
        Assert.Equal("b", web.Owner(0));
        await window.ShootAsync("move-done");
        await window.Dialog.Locator("[data-do='close']").ClickAsync();
        await Expect(window.Group(0)).ToContainTextAsync("Served by b, mirrored");
        await Expect(window.Page.Locator("#attention")).ToContainTextAsync("away from home");
        await window.ShootAsync("away");

        await window.Act("giveback", 0).ClickAsync();
        await Expect(window.Dialog).ToContainTextAsync("Bring vol0 home to a");
        await Expect(window.Dialog).ToContainTextAsync("Nothing hinders it");
        await window.Dialog.Locator("[data-do='act']").ClickAsync();
        await Expect(window.Dialog).ToContainTextAsync("a serves vol0");
        Assert.Equal("a", web.Owner(0));
        Assert.Empty(window.Complaints);
    }

    [Fact]
    public async Task A_group_is_moved_by_keyboard_alone()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync(web.Page());
        await window.IsWellAsync();
        const string Button = "[data-act='takeover'][data-group='1']";
        await window.TabToAsync(Button);
        await window.Page.Keyboard.PressAsync("Enter");
        await Expect(window.Dialog).ToContainTextAsync("Nothing hinders it");
        await window.TabToAsync("[data-do='act']");
        await window.Page.Keyboard.PressAsync("Enter");
        await Expect(window.Dialog).ToContainTextAsync("a serves vol1");
        await Expect(window.Dialog.GetByRole(AriaRole.Status)).ToContainTextAsync("a serves vol1");
        Assert.Equal("a", web.Owner(1));
        await window.Page.Keyboard.PressAsync("Escape");
        await Expect(window.Dialog).ToBeHiddenAsync();
        await Expect(window.Act("giveback", 1)).ToBeFocusedAsync();
    }

    [Fact]
    public async Task A_veto_is_shown_refused_and_overridden_by_name()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync(web.Page());
        ILocator act = window.Dialog.Locator("[data-do='act']");

        // It comes between the check and the move: the node refuses.
        await window.Act("takeover", 0).ClickAsync();
        await Expect(window.Dialog).ToContainTextAsync("Nothing hinders it");
        await web.VetoAsync(true);
        await act.ClickAsync();
        await Expect(window.Dialog).ToContainTextAsync("Refused");
        await Expect(window.Dialog.Locator(".refusal dt")).ToHaveTextAsync(
            ["Expected", "Found", "What to do"]);
        await Expect(window.Dialog).ToContainTextAsync(WebPair.Why);
        Assert.Equal("a", web.Owner(0));
        await window.ShootAsync("move-refused");

        // Checked again, it is there, and nothing moves before it is overridden by name.
        await window.Dialog.Locator("[data-do='check']").ClickAsync();
        await Expect(window.Dialog).ToContainTextAsync($"backup has a veto: {WebPair.Why}");
        await Expect(window.Dialog).ToContainTextAsync("What to do: wait for its end");
        await Expect(act).ToHaveAttributeAsync("aria-disabled", "true");
        await act.ClickAsync(new LocatorClickOptions { Force = true });
        Assert.Equal("a", web.Owner(0));
        await window.ShootAsync("move-veto");
        await window.DialogIsAccessibleAsync();
        await window.Page.GetByLabel("backup: I have read").CheckAsync();
        await Expect(act).ToHaveTextAsync("Move to b, overriding backup");
        await act.ClickAsync();
        await Expect(window.Dialog).ToContainTextAsync("b serves vol0");
        Assert.Equal("b", web.Owner(0));
        await PairRun.UntilAsync(
            () => web.Pair.Log("b").Contains("the veto of backup is overridden"), "b logs it");

        // What a module says is text, whatever it looks like.
        await Expect(window.Page.Locator("#takeover")).ToContainTextAsync(WebPair.Why);
        await Expect(window.Page.Locator("#planted")).ToHaveCountAsync(0);
        await window.Dialog.Locator("[data-do='close']").ClickAsync();
        await window.ShootAsync("veto", "#takeover");
    }

    [Fact]
    public async Task Copies_are_compared_when_asked_for()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync(web.Page());
        await window.Page.Locator("[data-act='scrub']").ClickAsync();
        await window.Dialog.Locator("[data-do='act']").ClickAsync();
        await Expect(window.Dialog).ToContainTextAsync("group 0 on a: begun");
        await Expect(window.Dialog).ToContainTextAsync("group 1 on b: begun");
        await window.ShootAsync("scrub");
    }
}
