using Microsoft.Playwright;
using StorageOs.Pair.Tests;
using static Microsoft.Playwright.Assertions;

namespace StorageOs.Dashboard.Tests;

/// <summary>What becomes of the page when nodes die, the one that it came from among them.</summary>
[Collection(OnePair.Name)]
[Trait("Category", "Slow")]
public sealed class FailoverTests(WebPair web, Browser browser)
{
    private const int Written = 24 << 20;

    [Fact]
    public async Task It_moves_to_the_partner_says_so_and_comes_back()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync(web.Page());
        await window.IsWellAsync();
        await web.Pair.KillAsync("a");
        ILocator notices = window.Page.Locator("#notices");
        const string Moved =
            "a, which this page came from, does not answer. This page goes on by b";
        await Expect(notices).ToContainTextAsync(Moved);
        await Expect(window.Page.Locator("#alarm[role='alert']")).ToContainTextAsync(Moved);
        await Expect(window.Headline).ToHaveTextAsync(
            "No. a is lost already: do not lose b.");
        await Expect(window.Node("a")).ToContainTextAsync("Unknown");
        await Expect(window.Node("a")).ToContainTextAsync("last word");
        await Expect(window.Node("a")).ToContainTextAsync("dead, no session");
        await Expect(window.Group(0)).ToContainTextAsync("Served by b, alone");
        await Expect(window.Act("giveback", 0)).ToHaveAttributeAsync("aria-disabled", "true");
        await Expect(window.Page.Locator("#timeline")).ToContainTextAsync("after the partner");
        await window.ShootAsync("partner", whole: true);
        await window.FitsAsync();
        await window.AccessibleAsync();

        // Back, and lacks what was written meanwhile.
        _ = web.Pair.WriteBytes(Written);
        _ = web.Pair.Boot("a");
        await Expect(notices).ToContainTextAsync("a answers again, after");
        await Expect(window.Headline).ToContainTextAsync("Not yet. a is being made equal");
        ILocator resync = window.Group(0).Locator(".resync");
        await Expect(resync.GetByRole(AriaRole.Progressbar)).ToBeVisibleAsync();
        await Expect(resync).ToContainTextAsync("left");
        string before = await resync.InnerTextAsync();
        await Expect(resync).Not.ToHaveTextAsync(before);
        await window.ShootAsync("resync", whole: true);
        await window.IsWellAsync();
        await Expect(window.Node("a")).ToContainTextAsync("Serving");
        Assert.Empty(window.Complaints);
    }

    [Fact]
    public async Task When_nobody_answers_it_says_that_it_knows_nothing()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync(web.Page("b"));
        await window.IsWellAsync();
        PairRun.Signal(web.Pair.Pid("a"), "KILL");
        PairRun.Signal(web.Pair.Pid("b"), "KILL");
        await Expect(window.Headline).ToHaveTextAsync("Not known: no node answers this page.");
        await Expect(window.Page.Locator("#notices")).ToContainTextAsync(
            "everything below is old");
        await Expect(window.Page.Locator("#volumes")).ToContainTextAsync("Not known");
        await window.ShootAsync("nobody", whole: true);
        _ = web.Pair.Boot("a");
        _ = web.Pair.Boot("b");
        await window.IsWellAsync();
    }
}
