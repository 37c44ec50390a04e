using System.Collections.Concurrent;
using System.IO.Pipes;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Loop;

namespace StorageOs.Kernel.Tests;

public sealed class ReactorTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    private readonly Reactor reactor = new("test");
    private readonly BlockingCollection<Exception> faults = [];

    public void Dispose()
    {
        reactor.Dispose();
        faults.Dispose();
    }

    [Fact]
    public async Task Posts_run_in_order_on_the_reactors_thread()
    {
        ModuleReactor view = View("m");
        List<int> seen = [];
        TaskCompletionSource done = new();
        for (int index = 0; index < 1000; index++)
        {
            view.Post(state => seen.Add(view.IsCurrent ? (int)state! : -1), index);
        }

        view.Post(_ => done.SetResult(), null);
        await done.Task.WaitAsync(Soon);
        Assert.Equal(Enumerable.Range(0, 1000), seen);
        Assert.False(view.IsCurrent);
    }

    [Fact]
    public async Task An_await_comes_back_to_the_reactor_and_its_fault_to_the_module()
    {
        ModuleReactor view = View("m");
        TaskCompletionSource outside = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bool back = false;
        Task<bool> call = view.CallAsync(async () =>
        {
            await outside.Task;
            back = view.IsCurrent;
            Forgotten();
            return true;
        });
        outside.SetResult();
        Assert.True(await call.WaitAsync(Soon));
        Assert.True(back);
        Assert.True(faults.TryTake(out Exception? fault, Soon));
        Assert.Equal("forgotten", fault.Message);

        static async void Forgotten()
        {
            await Task.Yield();
            throw new InvalidOperationException("forgotten");
        }
    }

    [Fact]
    public async Task Timers_come_in_order_of_their_time_and_not_before_it()
    {
        ModuleReactor view = View("m");
        List<string> seen = [];
        TaskCompletionSource<TimeSpan> done = new();
        await view.CallAsync(() =>
        {
            Instant start = view.Now;
            view.After(TimeSpan.FromMilliseconds(20), () => done.SetResult(view.Now - start));
            view.After(TimeSpan.FromMilliseconds(4), () => seen.Add("second"));
            view.After(TimeSpan.FromMilliseconds(1), () => seen.Add("first"));
            view.After(TimeSpan.FromMilliseconds(2), () => seen.Add("never")).Dispose();
            return ValueTask.CompletedTask;
        });
        TimeSpan took = await done.Task.WaitAsync(Soon);
        Assert.Equal(["first", "second"], seen);
        Assert.True(took >= TimeSpan.FromMilliseconds(20), $"{took}");
    }

    [Fact]
    public async Task A_periodic_timer_may_end_itself_and_thousands_keep_their_order()
    {
        ModuleReactor view = View("m");
        Random random = new(7);
        List<int> seen = [];
        TaskCompletionSource done = new();
        await view.CallAsync(() =>
        {
            int times = 0;
            IDisposable every = null!;
            every = view.Every(TimeSpan.FromMilliseconds(1), () =>
            {
                if (++times == 3)
                {
                    every.Dispose();
                    view.After(TimeSpan.FromMilliseconds(30), done.SetResult);
                }
            });
            List<IDisposable> ended = [];
            foreach (int micros in Enumerable.Range(0, 2000).OrderBy(_ => random.Next()))
            {
                IDisposable timer =
                    view.After(TimeSpan.FromMicroseconds(micros), () => seen.Add(micros));
                if (micros % 3 == 0)
                {
                    ended.Add(timer);
                }
            }

            ended.ForEach(timer => timer.Dispose());
            return ValueTask.CompletedTask;
        });
        await done.Task.WaitAsync(Soon);
        Assert.Equal(Enumerable.Range(0, 2000).Where(micros => micros % 3 != 0), seen);
    }

    /// <summary>The host quiets a module out of the very callback that threw.</summary>
    [Fact]
    public async Task A_timer_that_quiets_its_module_does_not_go_on()
    {
        ModuleReactor bad = null!;
        bad = new(reactor, new ModuleScope(reactor, "bad", _ => bad.Quiet()));
        ModuleReactor good = View("good");
        int runs = 0;
        TaskCompletionSource done = new();
        await bad.CallAsync(() =>
        {
            bad.Every(TimeSpan.FromMilliseconds(1), () =>
            {
                runs++;
                throw new InvalidOperationException("bad");
            });
            return ValueTask.CompletedTask;
        });
        good.Post(_ => good.After(TimeSpan.FromMilliseconds(30), done.SetResult), null);
        await done.Task.WaitAsync(Soon);
        Assert.Equal(1, runs);
    }

    /// <summary>epoll takes no regular file.</summary>
    [Fact]
    public async Task A_descriptor_that_cannot_be_watched_is_not_kept_open()
    {
        ModuleReactor view = View("m");
        string path = Path.GetTempFileName();
        using (SafeFileHandle file = File.OpenHandle(path))
        {
            await Assert.ThrowsAsync<RefusedException>(() => view.CallAsync(() =>
            {
                view.Watch(file, DescriptorInterest.Readable, _ => { });
                return ValueTask.CompletedTask;
            }));
            file.Dispose();
            Assert.True(file.IsClosed);
        }

        File.Delete(path);
    }

    [Fact]
    public async Task A_timer_that_sets_itself_again_at_once_leaves_everything_else_its_turn()
    {
        ModuleReactor view = View("m");
        List<string> seen = [];
        bool over = false;
        await view.CallAsync(() =>
        {
            view.After(TimeSpan.Zero, () => seen.Add("first"));
            Again();
            view.After(TimeSpan.Zero, () => seen.Add("second"));
            return ValueTask.CompletedTask;
        });
        try
        {
            for (int turn = 0; turn < 3; turn++)
            {
                await view.CallAsync(() => ValueTask.CompletedTask).WaitAsync(Soon);
            }
        }
        finally
        {
            Volatile.Write(ref over, true);
        }

        for (int turn = 0; turn < 2; turn++) // One more is set that sees that it is over.
        {
            await view.CallAsync(() => ValueTask.CompletedTask).WaitAsync(Soon);
        }

        Assert.Equal(["first", "again", "second", "again"], seen.Take(4));

        void Again()
        {
            if (!Volatile.Read(ref over))
            {
                view.After(TimeSpan.Zero, () =>
                {
                    seen.Add("again");
                    Again();
                });
            }
        }
    }

    [Fact]
    public async Task A_callback_that_throws_ends_its_module_and_no_other()
    {
        ModuleReactor bad = View("bad");
        ModuleReactor good = new(
            reactor, new ModuleScope(reactor, "good", failure => faults.Add(failure)));
        int badRuns = 0;
        int goodRuns = 0;
        await bad.CallAsync(() =>
        {
            bad.Every(TimeSpan.FromMilliseconds(1), () =>
            {
                badRuns++;
                throw new InvalidOperationException("bad");
            });
            return ValueTask.CompletedTask;
        });
        Assert.True(faults.TryTake(out _, Soon));
        bad.Close();
        TaskCompletionSource done = new();
        bad.Post(_ => badRuns = 1000, null);
        good.Post(_ => good.Every(TimeSpan.FromMilliseconds(1), () =>
        {
            if (++goodRuns == 5)
            {
                done.SetResult();
            }
        }), null);
        await done.Task.WaitAsync(Soon);
        int runs = badRuns;
        await good.CallAsync(() => ValueTask.CompletedTask);
        Assert.InRange(badRuns, 1, 999);
        Assert.Equal(runs, badRuns);
    }

    [Fact]
    public async Task A_watch_tells_readiness_until_its_interest_ends()
    {
        ModuleReactor view = View("m");
        using AnonymousPipeServerStream reader = new(PipeDirection.In);
        using AnonymousPipeClientStream writer =
            new(PipeDirection.Out, reader.ClientSafePipeHandle);
        int told = 0;
        TaskCompletionSource once = new();
        IDescriptorWatch watch = null!;
        await view.CallAsync(() =>
        {
            watch = view.Watch(
                reader.SafePipeHandle, DescriptorInterest.Readable, interest =>
                {
                    told++;
                    Assert.Equal(DescriptorInterest.Readable, interest);
                    watch.Interest = DescriptorInterest.None;
                    once.SetResult();
                });
            return ValueTask.CompletedTask;
        });
        Assert.Equal(0, told);
        writer.WriteByte(1);
        await once.Task.WaitAsync(Soon);
        writer.WriteByte(2);
        await view.CallAsync(() => ValueTask.CompletedTask);
        Assert.Equal(1, told);
        await view.CallAsync(() =>
        {
            watch.Dispose();
            return ValueTask.CompletedTask;
        });
        Assert.Empty(faults);
    }

    [Fact]
    public async Task A_watched_descriptor_may_be_closed_by_its_owner_at_any_time()
    {
        ModuleReactor view = View("m");
        AnonymousPipeServerStream reader = new(PipeDirection.In);
        Microsoft.Win32.SafeHandles.SafePipeHandle handle = reader.SafePipeHandle;
        IDescriptorWatch first = null!;
        await OnReactor(() => first = view.Watch(
            handle, DescriptorInterest.Readable, _ => { }));
        reader.Dispose(); // On this thread, as a port is closed by the manager's.
        using AnonymousPipeServerStream another = new(PipeDirection.In);
        using AnonymousPipeClientStream writer =
            new(PipeDirection.Out, another.ClientSafePipeHandle);
        TaskCompletionSource told = new();
        IDescriptorWatch second = null!;
        await OnReactor(() => second = view.Watch(
            another.SafePipeHandle, DescriptorInterest.Readable, _ =>
            {
                second.Interest = DescriptorInterest.None;
                told.SetResult();
            }));
        await OnReactor(() =>
        {
            first.Dispose();
            view.Watch(handle, DescriptorInterest.Readable, _ => { }).Dispose();
        });
        writer.WriteByte(1);
        await told.Task.WaitAsync(Soon);
        Assert.Empty(faults);

        ValueTask OnReactor(Action action) => new(view.CallAsync(() =>
        {
            action();
            return ValueTask.CompletedTask;
        }));
    }

    [Fact]
    public async Task A_poller_that_works_keeps_the_reactor_awake_and_an_idle_one_does_not_spin()
    {
        ModuleReactor view = View("m");
        int turns = 0;
        TaskCompletionSource worked = new();
        await view.CallAsync(() =>
        {
            view.Poll(() =>
            {
                turns++;
                if (turns == 1000)
                {
                    worked.SetResult();
                }

                return turns < 1000;
            });
            return ValueTask.CompletedTask;
        });
        await worked.Task.WaitAsync(Soon);
        TaskCompletionSource idle = new();
        view.Post(_ => view.After(TimeSpan.FromMilliseconds(300), idle.SetResult), null);
        await idle.Task.WaitAsync(Soon);
        Assert.InRange(turns, 1000, 1020);
    }

    [Fact]
    public async Task Steady_turns_allocate_nothing()
    {
        ModuleReactor view = View("m");
        TaskCompletionSource<long> done = new();
        int ticks = 0;
        long start = 0;
        Action<object?> hop = _ => { };
        await view.CallAsync(() =>
        {
            view.Every(TimeSpan.FromMicroseconds(100), () =>
            {
                view.Post(hop, null);
                if (++ticks == 100)
                {
                    start = GC.GetAllocatedBytesForCurrentThread();
                }
                else if (ticks == 400)
                {
                    done.TrySetResult(GC.GetAllocatedBytesForCurrentThread() - start);
                }
            });
            return ValueTask.CompletedTask;
        });
        Assert.Equal(0, await done.Task.WaitAsync(Soon));
    }

    private ModuleReactor View(string module) => reactor.View(module, faults.Add);

    [Fact]
    public void A_reactor_goes_on_with_another_thread_when_a_module_hangs_on_it()
    {
        ModuleReactor hanging = View("hanging");
        ModuleReactor other = View("other");
        using ManualResetEventSlim hangs = new(), goesOn = new(), returns = new(), ran = new();
        Thread? first = null;
        hanging.Post(_ =>
        {
            first = Thread.CurrentThread;
            hangs.Set();
            returns.Wait();
        }, null);
        hanging.Post(_ => faults.Add(new InvalidOperationException("ran after all")), null);
        other.Post(_ => other.After(TimeSpan.FromMilliseconds(1), goesOn.Set), null);
        Assert.True(hangs.Wait(Soon));
        hanging.LeaveHanging();
        Assert.True(goesOn.Wait(Soon));

        // Should it ever return, its thread ends and does nothing of the reactor's.
        returns.Set();
        Assert.True(first!.Join(Soon));
        other.Post(_ => ran.Set(), null);
        Assert.True(ran.Wait(Soon));
        Assert.Empty(faults);
    }
}
