using Microsoft.Coyote.Runtime;

namespace StorageOs.Interleavings.Scenarios;

/// <summary>
/// The least that an explorer must find, one kind of meeting each; those named Right are without a
/// bug. When one of them shows nothing, nothing else here means anything.
/// </summary>
public static class Calibration
{
    /// <summary>Two threads add by a load and a store, with a lock around each alone.</summary>
    public static void Update_lost_between_two_locks()
    {
        Lock gate = new();
        int count = 0;
        void Add()
        {
            int seen;
            lock (gate)
            {
                seen = count;
            }

            lock (gate)
            {
                count = seen + 1;
            }
        }

        Together.Run(Add, Add);
        Together.Require(count == 2, "an update is lost");
    }

    /// <summary>The same under one lock.</summary>
    public static void Right_update_under_one_lock()
    {
        Lock gate = new();
        int count = 0;
        void Add()
        {
            lock (gate)
            {
                int seen = count;
                SchedulingPoint.Interleave();
                count = seen + 1;
            }
        }

        Together.Run(Add, Add);
        Together.Require(count == 2, "an update is lost");
    }

    /// <summary>By Volatile alone.</summary>
    public static void Update_lost_between_volatile_accesses()
    {
        int count = 0;
        void Add() => Volatile.Write(ref count, Volatile.Read(ref count) + 1);
        Together.Run(Add, Add);
        Together.Require(count == 2, "an update is lost");
    }

    /// <summary>By Interlocked, in two steps.</summary>
    public static void Update_lost_between_interlocked_accesses()
    {
        long count = 0;
        void Add()
        {
            long seen = Interlocked.Read(ref count);
            Interlocked.Exchange(ref count, seen + 1);
        }

        Together.Run(Add, Add);
        Together.Require(count == 2, "an update is lost");
    }

    /// <summary>By one step of Interlocked.</summary>
    public static void Right_update_by_one_interlocked_step()
    {
        long count = 0;
        void Add() => Interlocked.Increment(ref count);
        Together.Run(Add, Add);
        Together.Require(count == 2, "an update is lost");
    }

    /// <summary>By a plain field.</summary>
    public static void Update_lost_between_plain_accesses()
    {
        Counter counter = new();
        Together.Run(counter.Add, counter.Add);
        Together.Require(counter.Count == 2, "an update is lost");
    }

    /// <summary>On threads rather than tasks.</summary>
    public static void Update_lost_between_threads()
    {
        int count = 0;
        void Add() => Volatile.Write(ref count, Volatile.Read(ref count) + 1);
        Thread one = new(Add) { IsBackground = true };
        Thread other = new(Add) { IsBackground = true };
        one.Start();
        other.Start();
        one.Join();
        other.Join();
        Together.Require(count == 2, "an update is lost");
    }

    /// <summary>A wait for what was said before it began: it never ends.</summary>
    public static void Wake_lost_before_the_wait()
    {
        Lock gate = new();
        bool said = false;
        Together.Run(
            () =>
            {
                lock (gate)
                {
                    said = true;
                    Monitor.Pulse(gate);
                }
            },
            () =>
            {
                if (!Volatile.Read(ref said))
                {
                    lock (gate)
                    {
                        Monitor.Wait(gate);
                    }
                }
            });
    }

    /// <summary>The same, looked at under the lock.</summary>
    public static void Right_wake_seen_under_the_lock()
    {
        Lock gate = new();
        bool said = false;
        Together.Run(
            () =>
            {
                lock (gate)
                {
                    said = true;
                    Monitor.Pulse(gate);
                }
            },
            () =>
            {
                lock (gate)
                {
                    while (!said)
                    {
                        Monitor.Wait(gate);
                    }
                }
            });
    }

    /// <summary>A wait by spinning, for somebody who is held up.</summary>
    public static void Right_spin_until_it_is_said()
    {
        bool said = false;
        Together.Run(
            () => Volatile.Write(ref said, true),
            () =>
            {
                SpinWait spin = default;
                while (!Volatile.Read(ref said))
                {
                    spin.SpinOnce();
                }
            });
    }

    private sealed class Counter
    {
        private int count;

        public int Count => count;

        public void Add()
        {
            int seen = count;
            count = seen + 1;
        }
    }
}
