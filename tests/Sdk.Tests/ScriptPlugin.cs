using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Sdk.Tests;

/// <summary>What a client of one test does when.</summary>
internal sealed record Script
{
    public Func<ScriptClient, Task>? Start { get; init; }

    public Action<ScriptClient>? Ready { get; init; }

    public Func<ScriptClient, CancellationToken, Task>? Stop { get; init; }

    public Action<ScriptClient>? Dispose { get; init; }
}

/// <summary>A plugin whose client follows a script.</summary>
internal sealed class ScriptPlugin(Script script) : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry) => registry.Services
        .AddSingleton(script).AddSingleton<IClient, ScriptClient>();
}

/// <summary>A client with a port, a page, and a page that is offered on request.</summary>
internal sealed class ScriptClient(Script script, NodeInfo node, IReactor reactor)
    : IClient, IDisposable
{
    public NodeInfo Node => node;

    public IReactor Reactor => reactor;

    public IClientServices Services { get; private set; } = null!;

    public ClientGrant? Grant { get; private set; }

    public List<string> Told { get; } = [];

    public ClientNeeds Needs { get; } = new(
        "script",
        new VersionRange(1, 1),
        [new PortNeed("words", PostsInFlightMax: 8)],
        [
            new RegionNeed("page", Size.Page, RemoteAccess.Write),
            new RegionNeed("later", Size.Page, RemoteAccess.Read) { OfferedOnRequest = true },
        ]);

    public async ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        Services = services;
        await (script.Start?.Invoke(this) ?? Task.CompletedTask);
    }

    public void PartnerReady(ClientGrant grant)
    {
        Grant = grant;
        Told.Add("ready");
        script.Ready?.Invoke(this);
    }

    public void PartnerLost(SessionId session, SessionEnd end)
    {
        Grant = null;
        Told.Add($"lost {end.Reason}");
        Services.Region("later").Reclaim([]);
    }

    public void PortChanged(string port, IPort? replacement) =>
        Told.Add(replacement is null ? "closed" : "opened");

    public void MemoryChanged(string region, IRemoteMemory? memory) =>
        Told.Add($"{region} {(memory is null ? "withdrawn" : "offered")}");

    public async ValueTask StopAsync(CancellationToken deadline) =>
        await (script.Stop?.Invoke(this, deadline) ?? Task.CompletedTask);

    public void Dispose() => script.Dispose?.Invoke(this);

    /// <summary>Writes a word into the twin's page.</summary>
    public void Write() => _ = Grant!.Ports["words"].TryPostWriteWord(
        1, 1, Grant.Memory["page"], 0);
}
