using System.Collections.Concurrent;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Kernel.Loop;

namespace StorageOs.Kernel.Hosting;

/// <summary>Where a module stands in its life.</summary>
internal enum ModuleState
{
    /// <summary>
    /// Found and not asked for: a transport that the configuration does not choose.
    /// </summary>
    NotChosen,

    /// <summary>Its code is being loaded and its services made.</summary>
    Loading,

    /// <summary>Its start runs, or waits for the modules it takes services from.</summary>
    Starting,

    /// <summary>It has started.</summary>
    Running,

    /// <summary>It never ran; the refusal says why.</summary>
    Refused,

    /// <summary>It ran and was ended by a fault; the reason says which.</summary>
    Failed,

    /// <summary>It is being stopped.</summary>
    Stopping,

    /// <summary>It was stopped in good order.</summary>
    Stopped,
}

/// <summary>
/// One module as the host keeps it: the core, the transport or a plugin. State may be read from
/// any thread; everything else belongs to the task that brings the module up or takes it down.
/// </summary>
internal sealed class Module(string id, PluginKind kind, PluginManifest? manifest)
{
    private readonly Lock gate = new();
    private readonly TaskCompletionSource<bool> constructed = Promise();
    private readonly TaskCompletionSource<bool> placed = Promise();
    private readonly TaskCompletionSource<bool> started = Promise();
    private readonly TaskCompletionSource<bool> ended = Promise();
    private readonly TaskCompletionSource<bool> stopEnded = Promise();
    private ModuleState state = ModuleState.Loading;
    private Refusal? refusal;
    private string reason = "";
    private bool isLeaving;

    /// <summary>Its id.</summary>
    internal string Id { get; } = id;

    /// <summary>What it is.</summary>
    internal PluginKind Kind { get; } = kind;

    /// <summary>Its manifest; null for the core and for what has none that can be read.</summary>
    internal PluginManifest? Manifest { get; } = manifest;

    /// <summary>
    /// Why it is not loaded, as operators know it; a warning when nothing speaks against it.
    /// </summary>
    internal FindingKind Finding { get; init; } = FindingKind.Warning;

    /// <summary>
    /// Its settings where they were read later than the node's; null for the node's.
    /// </summary>
    internal IConfigurationSection? Settings { get; init; }

    /// <summary>Modules it takes services from.</summary>
    internal IReadOnlyList<(Type Service, Module Provider)> Providers { get; set; } = [];

    /// <summary>Modules that get names and room before it; set before it is brought up.</summary>
    internal IReadOnlyList<Module> Ahead { get; set; } = [];

    /// <summary>
    /// Whether code of it may run still, although it ended: what it was given cannot be taken back,
    /// ever.
    /// </summary>
    internal bool Hangs { get; set; }

    /// <summary>Its bringing up, for whoever ends it before it is done.</summary>
    internal Task BroughtUp { get; set; } = Task.CompletedTask;

    /// <summary>Whether its clients have all stopped by themselves.</summary>
    internal bool StoppedWell { get; set; }

    /// <summary>Its code; null for the core and when not loaded.</summary>
    internal ILoadedPlugin? Code { get; set; }

    /// <summary>What it logs by; null when nothing limits that.</summary>
    internal PluginLogs? Logs { get; set; }

    /// <summary>Its services; null until made.</summary>
    internal ServiceProvider? Services { get; set; }

    /// <summary>The reactor it was placed on; null until placed.</summary>
    internal Reactor? Reactor { get; set; }

    /// <summary>Its view of that reactor; null until placed.</summary>
    internal ModuleReactor? View { get; set; }

    /// <summary>What was found in its services; empty until constructed.</summary>
    internal ModuleParts Parts { get; set; } = ModuleParts.None;

    /// <summary>Names of its clients that the connection manager has admitted.</summary>
    internal ConcurrentQueue<string> Admitted { get; } = new();

    /// <summary>Set when the module is to stop.</summary>
    internal CancellationTokenSource Stopping { get; } = new();

    /// <summary>True once its services exist; false when they never will.</summary>
    internal Task<bool> Constructed => constructed.Task;

    /// <summary>True once it has its names and room; false when it never will.</summary>
    internal Task<bool> Placed => placed.Task;

    /// <summary>True once it has started; false when it never will.</summary>
    internal Task<bool> Started => started.Task;

    /// <summary>
    /// Completes once it has ended, however: no call of it is answered from then on.
    /// </summary>
    internal Task Ended => ended.Task;

    /// <summary>
    /// Completes once no stop of it is under way: nothing of it is taken back before.
    /// </summary>
    internal Task StopEnded
    {
        get
        {
            lock (gate)
            {
                return isLeaving ? stopEnded.Task : Task.CompletedTask;
            }
        }
    }

    /// <summary>Where it stands. Any thread.</summary>
    internal ModuleState State
    {
        get
        {
            lock (gate)
            {
                return state;
            }
        }
    }

    /// <summary>State, reason and refusal as they are at one moment. Any thread.</summary>
    internal (ModuleState State, string Reason, Refusal? Refusal) Standing
    {
        get
        {
            lock (gate)
            {
                return (state, reason, refusal);
            }
        }
    }

    /// <summary>
    /// Goes on to a state of its ordinary life, never back: what stops does not start any more, and
    /// is stopped by one alone. Nothing happens once it has ended.
    /// </summary>
    internal bool Advance(ModuleState next, string why = "")
    {
        lock (gate)
        {
            if (!MayAdvance(state, next))
            {
                return false;
            }

            isLeaving = next is ModuleState.Stopping;
            state = next;
            reason = why;
        }

        if (next is ModuleState.Starting or ModuleState.Running)
        {
            constructed.TrySetResult(true);
        }

        if (next is ModuleState.Running)
        {
            started.TrySetResult(true);
        }

        return true;
    }

    private static bool MayAdvance(ModuleState from, ModuleState to) => to switch
    {
        ModuleState.NotChosen => from is ModuleState.Loading,
        ModuleState.Starting => from is ModuleState.Loading or ModuleState.Starting,
        ModuleState.Running => from is ModuleState.Loading or ModuleState.Starting,
        ModuleState.Stopping => from is ModuleState.NotChosen or ModuleState.Loading
            or ModuleState.Starting or ModuleState.Running,
        _ => false,
    };

    /// <summary>Its stop has come to an end, good or bad.</summary>
    internal void EndStop() => stopEnded.TrySetResult(true);

    /// <summary>It has got all the names and room that it asked for.</summary>
    internal void Place() => placed.TrySetResult(true);

    /// <summary>Ends its life, once. False when it had ended before.</summary>
    internal bool End(ModuleState how, string why, Refusal? what = null)
    {
        lock (gate)
        {
            if (state is ModuleState.Refused or ModuleState.Failed or ModuleState.Stopped)
            {
                return false;
            }

            state = how;
            reason = why;
            refusal = what;
        }

        constructed.TrySetResult(false);
        started.TrySetResult(false);
        ended.TrySetResult(true);
        placed.TrySetResult(false);
        return true;
    }

    private static TaskCompletionSource<bool> Promise() =>
        new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>What the host found in a module's services.</summary>
/// <param name="Clients">Its clients, by the name in their needs.</param>
/// <param name="Provided">What it offers to others.</param>
/// <param name="Reporters">Parts of the status.</param>
/// <param name="Commands">Commands for operators, by the names that they gave once.</param>
internal sealed record ModuleParts(
    IReadOnlyList<(IClient Client, ClientNeeds Needs)> Clients,
    IReadOnlyDictionary<Type, object> Provided,
    IReadOnlyList<IStatusReporter> Reporters,
    IReadOnlyList<(IOperatorCommand Command, string Name)> Commands)
{
    /// <summary>Nothing yet.</summary>
    internal static ModuleParts None { get; } =
        new([], new Dictionary<Type, object>(), [], []);
}
