using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Interleavings.Scenarios;

/// <summary>What the plugin host's threads meet in.</summary>
public static class HostingScenarios
{
    /// <summary>It returns just as the wait for it runs out.</summary>
    public static void Step_ends_or_is_left_and_never_both()
    {
        TimedStep step = new();
        (bool ended, bool left) = (false, false);
        Together.Run(() => ended = step.TryEnd(), () => left = step.TryLeave());
        Together.Require(ended != left, "a step has ended and is left, or neither");
        Together.Require(step.Left == left, "a step says other than it was told");
    }

    /// <summary>A module says a veto while it is taken down.</summary>
    public static void Veto_goes_with_its_module()
    {
        VetoBoard board = new(TimeProvider.System);
        IHandoverVetoes module = board.Of("backup");
        Together.Run(() => TryVeto(module), ((IDisposable)module).Dispose);
        Together.Require(board.All.Count == 0, "a module that has ended has a veto");
    }

    /// <summary>A module has one left and says two.</summary>
    public static void Module_has_no_more_vetoes_than_it_may()
    {
        VetoBoard board = new(TimeProvider.System);
        IHandoverVetoes module = board.Of("backup");
        for (int had = 1; had < IHandoverVetoes.PerModuleMax; had++)
        {
            _ = TryVeto(module);
        }

        Together.Run(() => TryVeto(module), () => TryVeto(module));
        Together.Require(
            board.All.Count == IHandoverVetoes.PerModuleMax, "a module has too many, or too few");
    }

    /// <summary>Two modules say one each while a third withdraws its own.</summary>
    public static void No_veto_is_lost_or_stays()
    {
        VetoBoard board = new(TimeProvider.System);
        (IHandoverVetoes one, IHandoverVetoes other) = (board.Of("one"), board.Of("other"));
        IDisposable old = TryVeto(board.Of("third"))!;
        Together.Run(() => TryVeto(one), () => TryVeto(other), old.Dispose);
        Together.Require(board.All.Count == 2, "a veto is lost, or stays");
        Together.Require(board.All.All(veto => veto.Who != "third"), "a veto stays");
    }

    /// <summary>The reactor feeds while the node ends.</summary>
    public static void Nothing_is_written_after_what_disarms_the_watchdog()
    {
        HandReactor reactor = new();
        Watchdog watchdog = Watchdog.Start("watchdog", reactor, NullLogger.Instance)!;
        Together.Run(
            () =>
            {
                reactor.Tick();
                reactor.Tick();
            },
            watchdog.Dispose);
        reactor.Tick();
        List<byte> written = FileStream.Last!.Written;
        Together.Require(
            written.IndexOf((byte)'V') == written.Count - 1, "it is armed again after its end");
    }

    /// <summary>A module comes up, fails and is stopped.</summary>
    public static void Module_ends_once_and_stays_ended()
    {
        Module module = new("backup", PluginKind.Client, null);
        (bool failed, bool stopped) = (false, false);
        Together.Run(
            () =>
            {
                _ = module.Advance(ModuleState.Starting);
                _ = module.Advance(ModuleState.Running);
            },
            () => failed = module.End(ModuleState.Failed, "it threw"),
            () => stopped = module.End(ModuleState.Stopped, "the node ends"));
        (ModuleState state, string reason, _) = module.Standing;
        Together.Require(failed != stopped, "a module has ended twice, or never");
        Together.Require(
            state == (failed ? ModuleState.Failed : ModuleState.Stopped)
                && reason == (failed ? "it threw" : "the node ends"),
            "a module has ended otherwise than it says");
    }

    /// <summary>Whoever waits for a module hears of it, whatever becomes of it.</summary>
    public static void Whoever_waits_for_a_module_hears_of_it()
    {
        Module module = new("backup", PluginKind.Client, null);
        bool advanced = false;
        Together.Run(
            () => advanced = module.Advance(ModuleState.Starting),
            () => module.End(ModuleState.Failed, "it threw"),
            () => module.Constructed.Wait(),
            () => module.Started.Wait());
        Together.Require(!module.Started.Result, "it never ran");
        Together.Require(advanced || !module.Constructed.Result, "it was never made");
    }

    private static IDisposable? TryVeto(IHandoverVetoes module)
    {
        try
        {
            return module.Veto(null, "a copy is being made", "wait for it");
        }
        catch (RefusedException)
        {
            return null;
        }
    }

    /// <summary>Runs what is posted at once, and what is periodic when told to.</summary>
    private sealed class HandReactor : IReactor
    {
        private Action tick = static () => { };

        public string Name => "hand";

        public Instant Now => default;

        public bool IsCurrent => true;

        public void Tick() => tick();

        public void Post(Action<object?> callback, object? state) => callback(state);

        public IDisposable Every(TimeSpan period, Action callback)
        {
            tick = callback;
            return new MemoryStream();
        }

        public IDisposable After(TimeSpan delay, Action callback) =>
            throw new NotSupportedException();

        public IDisposable Poll(Func<bool> poll) => throw new NotSupportedException();

        public IDescriptorWatch Watch(
            SafeHandle handle, DescriptorInterest interest, Action<DescriptorInterest> ready) =>
            throw new NotSupportedException();
    }
}
