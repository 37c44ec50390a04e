using System.Text.RegularExpressions;
using Microsoft.Playwright;
using StorageOs.Pair.Tests;
using static Microsoft.Playwright.Assertions;

namespace StorageOs.Dashboard.Tests;

/// <summary>What the page shows of a pair that is well, to whom, and on which screens.</summary>
[Collection(OnePair.Name)]
[Trait("Category", "Slow")]
public sealed class LookTests(WebPair web, Browser browser)
{
    [Fact]
    public async Task It_shows_both_nodes_their_volumes_and_that_either_could_be_lost()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync(web.Page());
        await window.IsWellAsync();
        await Expect(window.Page.Locator(".losses li")).ToContainTextAsync([
            "If a is lost: b takes over vol0, b keeps vol1",
            "If b is lost: a takes over vol1, a keeps vol0"]);
        foreach (string node in new[] { "a", "b" })
        {
            await Expect(window.Node(node)).ToContainTextAsync("Serving");
            await Expect(window.Node(node)).ToContainTextAsync("limit");
        }

        await Expect(window.Page.Locator(".link")).ToContainTextAsync("loopback");
        await Expect(window.Page.Locator(".link")).ToContainTextAsync("Session ready");
        await Expect(window.Group(0)).ToContainTextAsync("vol0");
        await Expect(window.Group(0)).ToContainTextAsync("Served by a, mirrored");
        await Expect(window.Group(1)).ToContainTextAsync($"nbd://127.0.0.1:{web.Pair.Port + 1}");
        await Expect(window.Page.Locator("#clients tbody tr")).ToHaveCountAsync(
            web.Pair.Node("a")["clients"]!.AsArray().Count);
        await Expect(window.Page.Locator("#timeline .events li").First).ToBeVisibleAsync();

        // The token is nowhere to be read, nothing comes from elsewhere, nothing was stopped.
        Assert.Equal($"{web.Origin("a")}/", window.Page.Url);
        Assert.Equal([web.Origin("a"), web.Origin("b")], window.Asked);
        Assert.Empty(window.Complaints);
        await window.ShootAsync("well", whole: true);
        await window.FitsAsync();
        await window.AccessibleAsync();
    }

    [Fact]
    public async Task Charts_move_while_a_client_writes()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync(web.Page("b"));
        ILocator rate = window.Page.Locator("[data-chart='rate-vol0'] svg");
        ILocator latency = window.Page.Locator("[data-chart='latency-vol0'] svg");
        ILocator line = rate.Locator("path.series0");
        using CancellationTokenSource stop = new();
        SteadyWriter writer = new(web.Pair.Port);
        Task writing = Task.Run(() => writer.RunAsync(stop.Token));
        await Expect(latency).ToHaveAttributeAsync(
            "aria-label", new Regex(
                @"p50: now [\d.]+\s(µs|ms), .*p99: now [\d.]+\s(µs|ms)"));
        await Expect(rate).ToHaveAttributeAsync(
            "aria-label", new Regex(
                @"writes: now [\d,]*[1-9][\d,]* a second"));
        string before = await line.GetAttributeAsync("d") ?? "";
        await Expect(line).Not.ToHaveAttributeAsync("d", before);
        await Expect(window.Group(0)).ToContainTextAsync("a second, p99");
        await Expect(window.Page.Locator("[data-chart='log-0'] path.series0"))
            .ToHaveAttributeAsync("d", new Regex("L"));
        await window.Page.WaitForTimeoutAsync(3000);
        await window.ShootAsync("writing", "#charts");
        await stop.CancelAsync();
        await writing;
        Assert.Empty(writer.Errors);
        Assert.Empty(window.Complaints);
    }

    [Fact]
    public async Task A_viewer_sees_everything_and_why_nothing_can_be_done()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync(web.ViewersPage);
        await window.IsWellAsync();
        ILocator move = window.Act("takeover", 0);
        await Expect(move).ToHaveAttributeAsync("aria-disabled", "true");
        string why = await move.GetAttributeAsync("aria-describedby") ?? "";
        await Expect(window.Page.Locator($"#{why}")).ToContainTextAsync("viewer");
        await move.ClickAsync(new LocatorClickOptions { Force = true });
        await Expect(window.Dialog).Not.ToBeVisibleAsync();
        await window.ShootAsync("viewer");
        Assert.Equal("a", web.Owner(0));
    }

    [Fact]
    public async Task Without_a_good_token_it_tells_nothing_and_asks_for_one()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync($"{web.Origin("a")}/#token=wrong");
        ILocator field = window.Page.Locator("#token-field");
        await Expect(field).ToBeFocusedAsync();
        await Expect(window.Headline).ToContainTextAsync("a token is needed");
        await Expect(window.Page.Locator("#volumes")).ToBeHiddenAsync();
        Assert.DoesNotContain("vol0", await window.Page.InnerTextAsync("body"));
        await window.ShootAsync("token");
        await window.AccessibleAsync();
        await field.FillAsync(web.Operator);
        await window.Page.Keyboard.PressAsync("Enter");
        await window.IsWellAsync();
        await Expect(field).ToBeHiddenAsync();
        Assert.Equal($"{web.Origin("a")}/", window.Page.Url);
    }
}
