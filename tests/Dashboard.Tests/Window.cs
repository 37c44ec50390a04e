using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using StorageOs.Pair.Tests;

namespace StorageOs.Dashboard.Tests;

/// <summary>
/// One window with the page in it: what it shows, what a person does with it, and what it asked of
/// the network meanwhile.
/// </summary>
internal sealed partial class Window : IAsyncDisposable
{
    private const int TabsMax = 60;
    private const float WellTimeMaxMs = 60_000;
    private readonly IBrowserContext context;
    private readonly ConcurrentQueue<string> complaints = [];
    private readonly ConcurrentDictionary<string, byte> asked = [];

    public Window(IBrowserContext context, IPage page)
    {
        (this.context, Page) = (context, page);
        page.PageError += (_, error) => complaints.Enqueue(error);
        page.Console += (_, line) => Note(line);
        page.Request += (_, request) =>
            asked[new Uri(request.Url).GetLeftPart(UriPartial.Authority)] = 0;
    }

    public static ViewportSize Desk { get; } = new() { Width = 1280, Height = 900 };

    public static ViewportSize Phone { get; } = new() { Width = 390, Height = 844 };

    public static ViewportSize Narrow { get; } = new() { Width = 360, Height = 740 };

    public IPage Page { get; }

    public ILocator Headline => Page.Locator("#headline");

    /// <summary>
    /// Waits for the verdict that all is well: a session that was lost on a busy machine is followed
    /// by a resync, which these pairs do slowly.
    /// </summary>
    public Task IsWellAsync() => Assertions.Expect(Headline).ToHaveTextAsync(
        "Yes. Either node can be lost now.", new() { Timeout = WellTimeMaxMs });

    public ILocator Dialog => Page.Locator("#action");

    /// <summary>Errors of scripts and what the content security policy stopped.</summary>
    public IReadOnlyCollection<string> Complaints => complaints;

    /// <summary>Every origin that anything was asked of.</summary>
    public IEnumerable<string> Asked => asked.Keys.Order(StringComparer.Ordinal);

    public ILocator Group(int group) => Page.Locator($"article[data-of='{group}']");

    public ILocator Node(string name) => Page.Locator($"article[data-node='{name}']");

    public ILocator Act(string what, int group) =>
        Page.Locator($"[data-act='{what}'][data-group='{group}']");

    /// <summary>Tab, until what is wanted has the focus, and it can be seen that it has.</summary>
    public async Task TabToAsync(string selector)
    {
        for (int tabs = 0; tabs < TabsMax; tabs++)
        {
            await Page.Keyboard.PressAsync("Tab");
            if (await Page.EvaluateAsync<bool>(
                "wanted => document.activeElement.matches(wanted)", selector))
            {
                Assert.Equal("solid", await Page.EvaluateAsync<string>(
                    "getComputedStyle(document.activeElement).outlineStyle"));
                return;
            }
        }

        Assert.Fail($"{TabsMax} tabs did not lead to {selector}");
    }

    /// <summary>The state as a person sees it, in all four forms.</summary>
    /// <param name="state">Name of the pictures.</param>
    /// <param name="part">What is to be in the middle of it; what is there without.</param>
    /// <param name="whole">The page in its whole length.</param>
    public async Task ShootAsync(string state, string? part = null, bool whole = false)
    {
        string folder = Path.Combine(PairRun.Root, "artifacts", "screenshots");
        foreach ((string size, ViewportSize viewport) in new[] { ("desk", Desk), ("phone", Phone) })
        {
            await Page.SetViewportSizeAsync(viewport.Width, viewport.Height);
            if (part is not null)
            {
                await Page.Locator(part).EvaluateAsync("part => part.scrollIntoView()");
            }

            foreach (ColorScheme scheme in new[] { ColorScheme.Dark, ColorScheme.Light })
            {
                await Page.EmulateMediaAsync(new() { ColorScheme = scheme });
                _ = await Page.ScreenshotAsync(new PageScreenshotOptions
                {
                    Path = Path.Combine(
                        folder, $"{state}-{size}-{scheme.ToString().ToLowerInvariant()}.png"),
                    FullPage = whole,
                });
            }
        }

        await Page.SetViewportSizeAsync(Desk.Width, Desk.Height);
    }

    /// <summary>Nothing reaches beyond the side of the narrowest screen.</summary>
    public async Task FitsAsync()
    {
        await Page.SetViewportSizeAsync(Narrow.Width, Narrow.Height);
        Assert.Equal(Narrow.Width, await Page.EvaluateAsync<int>(
            "document.scrollingElement.scrollWidth"));
        await Page.SetViewportSizeAsync(Desk.Width, Desk.Height);
    }

    /// <summary>Whoever cannot see it or sees little can use it, by what a machine can tell.</summary>
    public Task AccessibleAsync() => AccessibleAsync(() => Page.RunAxe());

    /// <summary>The same of what stands before everything else.</summary>
    public Task DialogIsAccessibleAsync() => AccessibleAsync(() => Dialog.RunAxe());

    private async Task AccessibleAsync(Func<Task<AxeResult>> look)
    {
        foreach (ColorScheme scheme in new[] { ColorScheme.Dark, ColorScheme.Light })
        {
            await Page.EmulateMediaAsync(new() { ColorScheme = scheme });
            AxeResult found = await look();
            Assert.True(found.Violations.Length == 0, $"{scheme}: " + string.Join(
                '\n', found.Violations.Select(one => $"{one.Id}: {one.Help}: "
                    + string.Join(", ", one.Nodes.Select(node => node.Html)))));
        }
    }

    public async ValueTask DisposeAsync() => await context.CloseAsync();

    private void Note(IConsoleMessage line)
    {
        // That a node does not answer or refuses is what the page tells, not an error of it.
        if (line.Type == "error" && !FailedToLoad().IsMatch(line.Text))
        {
            complaints.Enqueue(line.Text);
        }
    }

    [GeneratedRegex("^Failed to load resource|ERR_|blocked by CORS policy")]
    private static partial Regex FailedToLoad();
}
