using Microsoft.Coyote.Runtime;
using StorageOs.Interleavings.Doubles;
using StorageOs.Kernel.Loop;

namespace StorageOs.Interleavings.Scenarios;

/// <summary>A reactor's thread, and those that post to it, stop it and leave it.</summary>
public static class ReactorScenarios
{
    /// <summary>A post comes as the thread goes to sleep: it wakes it.</summary>
    public static void Everything_posted_runs()
    {
        using Reactor reactor = Start();
        ModuleReactor module = View(reactor, "module");
        ModuleReactor other = View(reactor, "other");
        Countdown ran = new(3);
        Together.Run(
            () =>
            {
                module.Post(_ => ran.Tick(), null);
                module.Post(_ => ran.Tick(), null);
            },
            () => other.Post(_ => ran.Tick(), null));
        ran.Wait();
    }

    /// <summary>It is stopped as it goes to sleep, by two.</summary>
    public static void Stop_ends_it_wherever_it_is()
    {
        Reactor reactor = Start();
        ModuleReactor module = View(reactor, "module");
        Together.Run(
            reactor.Dispose,
            reactor.Dispose,
            () => module.Post(static _ => { }, null));
    }

    /// <summary>A module hangs and is left, and comes back at that moment.</summary>
    public static void Who_shares_a_reactor_with_one_that_is_left_goes_on_alone()
    {
        Reactor reactor = Start();
        ModuleReactor hangs = View(reactor, "hangs");
        ModuleReactor other = View(reactor, "other");
        Countdown back = new(1), ran = new(2);
        bool inside = false;
        void Run(object? state)
        {
            Together.Require(reactor.IsCurrent, "a callback runs on a thread that was left");
            Together.Require(!inside, "two callbacks run at once");
            inside = true;
            SchedulingPoint.Interleave();
            inside = false;
            ran.Tick();
        }

        hangs.Post(_ => back.Wait(), null);
        hangs.Post(static _ => { }, null);
        other.Post(Run, null);
        other.Post(Run, null);
        Together.Run(hangs.LeaveHanging, back.Tick);
        ran.Wait();
        Together.Require(reactor.Stop(Timeout.InfiniteTimeSpan), "a reactor does not end");
    }

    /// <summary>A module that is left has more to run, and comes back at that moment.</summary>
    public static void Thread_that_is_left_runs_nothing_more()
    {
        Reactor reactor = Start();
        ModuleReactor late = View(reactor, "late");
        ModuleReactor other = View(reactor, "other");
        Countdown ran = new(1);
        late.Post(static _ => { }, null);
        late.Post(static _ => { }, null);
        other.Post(
            _ =>
            {
                Together.Require(reactor.IsCurrent, "a callback runs on a thread that was left");
                ran.Tick();
            },
            null);
        late.LeaveHanging();
        ran.Wait();
        Together.Require(reactor.Stop(Timeout.InfiniteTimeSpan), "a reactor does not end");
    }

    private static Reactor Start()
    {
        EventCounter.Reset();
        return new Reactor("reactor");
    }

    private static ModuleReactor View(Reactor reactor, string name) => reactor.View(
        name, fault => Together.Require(false, $"a callback has thrown {fault}"));
}
