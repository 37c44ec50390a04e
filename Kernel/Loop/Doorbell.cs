using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Loop;

/// <summary>
/// What a loop of its own waits on: a bell that any thread rings, a time limit, and one descriptor
/// besides. Waited on by one thread. Never disposed: whoever may still ring holds it, and its
/// handles go with the last of them.
/// </summary>
internal sealed class Doorbell
{
    private const ulong BellToken = 0, WatchedToken = 1;

    private readonly SafeFileHandle epoll =
        Owned(Libc.epoll_create1(Libc.EPOLL_CLOEXEC), nameof(Libc.epoll_create1));

    private readonly SafeFileHandle bell =
        Owned(Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK), nameof(Libc.eventfd));

    private readonly EpollEvent[] ready = new EpollEvent[2];
    private SafeHandle? watched;

    /// <summary>Makes one that nobody has rung.</summary>
    public Doorbell() => Control(Libc.EPOLL_CTL_ADD, bell, BellToken);

    /// <summary>Ends the wait under way, or the next one. Any thread.</summary>
    public void Ring()
    {
        ulong one = 1;
        _ = Libc.write(Number(bell), in one, sizeof(ulong));
    }

    /// <summary>
    /// Has a readable descriptor end waits, too, in place of the one before; null for none. Its
    /// owner may close it meanwhile: it stays open until it is not watched any more.
    /// </summary>
    public void Watch(SafeHandle? descriptor)
    {
        if (ReferenceEquals(descriptor, watched))
        {
            return;
        }

        if (watched is { } before)
        {
            Control(Libc.EPOLL_CTL_DEL, before, WatchedToken);
            watched = null;
            before.DangerousRelease();
        }

        if (descriptor is not null)
        {
            bool held = false;
            descriptor.DangerousAddRef(ref held);
            watched = descriptor;
            Control(Libc.EPOLL_CTL_ADD, descriptor, WatchedToken);
        }
    }

    /// <summary>Waits; whether the watched descriptor is readable.</summary>
    public bool Wait(TimeSpan limit)
    {
        (long seconds, long rest) = Math.DivRem((long)limit.TotalNanoseconds, 1_000_000_000L);
        Timespec timeout = new() { Seconds = seconds, Nanoseconds = rest };
        int count = Libc.epoll_pwait2(
            Number(epoll), ref ready[0], ready.Length, in timeout, 0);
        Invariant.Require(count >= 0 || Marshal.GetLastPInvokeError() == Libc.EINTR);
        bool readable = false;
        for (int i = 0; i < count; i++)
        {
            if (ready[i].Data == WatchedToken)
            {
                readable = true;
                continue;
            }

            ulong rings = 0;
            _ = Libc.read(Number(bell), ref rings, sizeof(ulong));
        }

        return readable;
    }

    private static int Number(SafeHandle handle) => (int)handle.DangerousGetHandle();

    private static SafeFileHandle Owned(int descriptor, string call) => descriptor >= 0
        ? new SafeFileHandle(descriptor, ownsHandle: true)
        : throw new RefusedException(new Refusal(
            $"{call} of a loop", "success", Marshal.GetLastPInvokeErrorMessage(),
            "check the limit of open files"));

    private void Control(int operation, SafeHandle descriptor, ulong token)
    {
        EpollEvent change = new() { Events = Libc.EPOLLIN, Data = token };
        int result = Libc.epoll_ctl(Number(epoll), operation, Number(descriptor), ref change);
        Invariant.Require(result == 0, $"epoll_ctl: {Marshal.GetLastPInvokeErrorMessage()}");
    }
}
