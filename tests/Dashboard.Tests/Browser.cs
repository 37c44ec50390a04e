using Microsoft.Playwright;

namespace StorageOs.Dashboard.Tests;

/// <summary>Debian's Chromium, started once for all tests of a class.</summary>
public sealed class Browser : IAsyncLifetime
{
    private const float PatienceMs = 20_000;

    private static readonly string[] Arguments =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ];

    private IPlaywright? playwright;
    private IBrowser? browser;

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        Assertions.SetDefaultExpectTimeout(PatienceMs);
        playwright = await Playwright.CreateAsync();
        browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = "/usr/bin/chromium",
            Args = Arguments,
        });
    }

    /// <summary>A window of a person's own, which shares nothing with other windows.</summary>
    internal async Task<Window> OpenAsync(string url)
    {
        IBrowserContext context = await browser!.NewContextAsync(new BrowserNewContextOptions
        {
            ViewportSize = Window.Desk,
            ColorScheme = ColorScheme.Light,
        });
        IPage page = await context.NewPageAsync();
        page.SetDefaultTimeout(PatienceMs);
        Window window = new(context, page);
        await page.GotoAsync(url);
        return window;
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        if (browser is not null)
        {
            await browser.CloseAsync();
        }

        playwright?.Dispose();
    }
}
