using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Sdk.Tests;

/// <summary>A client that keeps its contract, but for the flaw that its settings name.</summary>
public sealed class TalkPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry) =>
        registry.Services.AddSingleton<IClient, TalkClient>();
}

/// <summary>Writes a growing number to its twin, over a port that it opens anew.</summary>
internal sealed class TalkClient(IReactor reactor, IConfiguration settings)
    : IClient, IDisposable
{
    private readonly string flaw = settings["flaw"] ?? "";
    private IClientServices services = null!;
    private ClientGrant? grant;
    private IPort? port;
    private IDisposable? watch;
    private IDisposable? again;
    private int reads;
    private ulong number;

    /// <inheritdoc/>
    public ClientNeeds Needs => new(
        flaw == "name" ? "talk talk" : "talk",
        new VersionRange(1, 2),
        [
            new PortNeed("words", PostsInFlightMax: 8),
            .. Enumerable.Range(0, flaw == "ports" ? 16 : 0)
                .Select(static index => new PortNeed($"more{index}", 1)),
        ],
        [
            new RegionNeed("page", Size.Page, RemoteAccess.Write),
            new RegionNeed("later", Size.Page, RemoteAccess.Read) { OfferedOnRequest = true },
            new RegionNeed(
                "own", flaw == "needs" ? ++reads * Size.Page : Size.Page, RemoteAccess.None),
        ]);

    /// <inheritdoc/>
    public async ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        this.services = services;
        if (settings["disk"] is not null)
        {
            await Task.Run(static () => { }, stopping); // As one that waits for it.
        }

        Invariant.Require(reactor.IsCurrent);
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
        if (flaw == "throws")
        {
            throw new InvalidOperationException("not today");
        }

        this.grant = grant;
        port = grant.Ports["words"];
        services.Offer("later");
        watch = reactor.Every(TimeSpan.FromMilliseconds(3), Talk);
        again = reactor.After(TimeSpan.FromMilliseconds(20), OpenAnew);
        if (flaw == "thread")
        {
            Thread thread = new(Talk);
            thread.Start();
            thread.Join(); // So that it comes in this run.
        }
    }

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end)
    {
        watch?.Dispose();
        services.Region("later").Reclaim([new(0, Size.Page)]);
        if (flaw == "lost")
        {
            _ = reactor.After(TimeSpan.FromMilliseconds(1), Talk);
            return;
        }

        grant = null;
        port = null;
    }

    /// <inheritdoc/>
    public void PortChanged(string port, IPort? replacement) => this.port = replacement;

    /// <inheritdoc/>
    public async ValueTask StopAsync(CancellationToken deadline)
    {
        grant = null;
        port = null;
        again?.Dispose();
        if (flaw != "timer")
        {
            watch?.Dispose();
        }

        if (flaw == "hangs")
        {
            await Task.Delay(Timeout.Infinite, CancellationToken.None);
        }

        if (flaw == "unload")
        {
            AppDomain.CurrentDomain.ProcessExit += (_, _) => Talk();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => watch?.Dispose();

    private void Talk()
    {
        if (grant is null || port is null)
        {
            return;
        }

        _ = port.Poll(new Completion[8]);
        IRegion page = services.Region("page");
        int offset = flaw == "grant" ? Size.Page : 8;
        _ = port.TryPostWrite(1, page, 2048, grant.Memory["page"], offset, 512);
        _ = port.TryPostWriteWord(2, ++number, grant.Memory["page"], flaw == "align" ? 4 : 0);
        if (flaw == "beyond")
        {
            Span<byte> bytes = services.Region("own").Bytes;
            Unsafe.Add(ref MemoryMarshal.GetReference(bytes), bytes.Length) = 1;
        }
    }

    private async void OpenAnew()
    {
        try
        {
            if (grant is not null)
            {
                port = await services.OpenPortAsync("words");
            }
        }
        catch (RefusedException)
        {
            // The session went meanwhile; there is no port then.
        }
    }
}
