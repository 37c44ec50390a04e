using System.Collections.Concurrent;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Claims.Tests;

/// <summary>A client that writes down what it is told, on a reactor of its own.</summary>
internal sealed class TestClient(ClientNeeds needs) : IClient
{
    private readonly TaskCompletionSource hang =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What it was told, in order: ready, lost, port.</summary>
    public ConcurrentQueue<string> Told { get; } = new();

    /// <summary>Exceptions out of its callbacks.</summary>
    public ConcurrentQueue<Exception> Faults { get; } = new();

    /// <summary>Its start never completes.</summary>
    public bool Hangs { get; init; }

    public Task Starting { get; set; } = Task.CompletedTask;

    public IReactor Reactor { get; set; } = null!;

    public Refusal? Refusal { get; set; }

    public IClientServices Services { get; private set; } = null!;

    public ClientGrant? Grant { get; private set; }

    public ClientNeeds Needs { get; } = needs;

    /// <summary>Its ports as it last heard of them.</summary>
    public ConcurrentDictionary<string, IPort?> Ports { get; } = new();

    public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        Services = services;
        return Hangs ? new(hang.Task) : ValueTask.CompletedTask;
    }

    public void PartnerReady(ClientGrant grant)
    {
        Grant = grant;
        foreach ((string name, IPort port) in grant.Ports)
        {
            Ports[name] = port;
        }

        Told.Enqueue($"ready {grant.Session}");
    }

    public void PartnerLost(SessionId session, SessionEnd end) =>
        Told.Enqueue($"lost {end.Reason}");

    public void PortChanged(string port, IPort? replacement)
    {
        Ports[port] = replacement;
        Told.Enqueue($"port {port} {(replacement is null ? "closed" : "open")}");
    }

    public ValueTask StopAsync(CancellationToken deadline) => ValueTask.CompletedTask;

    /// <summary>Writes into its twin's memory and says what became of it.</summary>
    public CompletionStatus Write(string port, string text)
    {
        IRegion page = Services.Region("page");
        text.AsSpan().CopyTo(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, char>(
            page.Bytes[Size.Page..]));
        IPort to = Ports[port]!;
        Assert.True(to.TryPostWrite(1, page, Size.Page, Grant!.Memory["page"], 0, 2 * text.Length));
        Completion[] done = new Completion[1];
        Assert.True(SpinWait.SpinUntil(() => to.Poll(done) == 1, TimeSpan.FromSeconds(5)));
        return done[0].Status;
    }

    /// <summary>The same over a port that may be closed; null when it takes nothing.</summary>
    public CompletionStatus? TryWrite(string port, string text) =>
        Ports[port] is { State: PortState.Open } ? Write(port, text) : null;

    /// <summary>What its twin wrote.</summary>
    public string Read(int length) => new(
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, char>(
            Services.Region("page").Bytes)[..length]);
}
