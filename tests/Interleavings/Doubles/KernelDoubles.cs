// What the kernel's sources stand on here, under the names that they know it by. A name in
// StorageOs is found before one of System.
using Microsoft.Coyote.Runtime;
using StorageOs.Interleavings;
using StorageOs.Interleavings.Doubles;

namespace StorageOs
{
    /// <summary>A device that keeps what is written to it.</summary>
    internal sealed class FileStream : IDisposable
    {
        private bool ended;

        public FileStream(
            string path, FileMode mode, FileAccess access, FileShare share, int buffer) =>
            Last = this;

        /// <summary>The one opened last.</summary>
        public static FileStream? Last { get; private set; }

        /// <summary>What was written.</summary>
        public List<byte> Written { get; } = [];

        public bool CanWrite => !ended;

        public void Write(ReadOnlySpan<byte> bytes)
        {
            Together.Require(!ended, "a device is written that is closed");
            byte first = bytes[0];
            SchedulingPoint.Interleave();
            Written.Add(first);
        }

        public void Dispose() => ended = true;
    }

    /// <summary>Where an await comes back to; nobody awaits here, and Coyote has its own.</summary>
    internal abstract class SynchronizationContext
    {
        public static void SetSynchronizationContext(SynchronizationContext context)
        {
            // Not asked for.
        }

        public abstract void Post(SendOrPostCallback d, object? state);

        public abstract void Send(SendOrPostCallback d, object? state);

        public abstract SynchronizationContext CreateCopy();
    }

    /// <summary>What a module's services are in; not used.</summary>
    internal sealed class ServiceProvider;
}

namespace StorageOs.Kernel.Hosting
{
    /// <summary>A loaded plugin; not used.</summary>
    internal interface ILoadedPlugin;
}

namespace StorageOs.Kernel.Recorder
{
    /// <summary>A ring that would be unmapped at its end.</summary>
    internal sealed class RingFile : IDisposable
    {
        private readonly CheckedMemory memory = new(EventSlot.RingBytes);

        public void Read(Span<byte> ring) => memory.GetSpan().CopyTo(ring);

        public void Write(ReadOnlySpan<byte> slot, int at)
        {
            slot.CopyTo(memory.GetSpan()[at..]);
            Together.Require(!memory.Ended, "a file is written that is not mapped any more");
        }

        public void Dispose() => ((IDisposable)memory).Dispose();
    }
}

namespace StorageOs.Kernel.Loop.Interop
{
    /// <summary>As much of epoll as a reactor needs that watches its own bell alone.</summary>
    internal static class Libc
    {
        internal const int EPOLL_CLOEXEC = 0x80000;
        internal const int EPOLL_CTL_ADD = 1;
        internal const int EPOLL_CTL_DEL = 2;
        internal const int EPOLL_CTL_MOD = 3;
        internal const uint EPOLLIN = 0x001;
        internal const uint EPOLLOUT = 0x004;
        internal const uint EPOLLERR = 0x008;
        internal const uint EPOLLHUP = 0x010;
        internal const uint EPOLLRDHUP = 0x2000;
        internal const int EFD_CLOEXEC = 0x80000;
        internal const int EFD_NONBLOCK = 0x800;
        internal const int EINTR = 4;

        internal static int epoll_create1(int flags) => EventCounter.Open();

        /// <summary>The bell's descriptor is the one after the epoll's.</summary>
        internal static int epoll_ctl(int epfd, int op, int fd, ref EpollEvent change) =>
            op == EPOLL_CTL_ADD && fd == epfd + 1 && change.Events == EPOLLIN ? 0 : -1;

        /// <summary>A wait that has a limit has none here.</summary>
        internal static int epoll_pwait2(
            int epfd, ref EpollEvent events, int maxevents, in Timespec timeout, nint sigmask)
        {
            EventCounter bell = EventCounter.Of(epfd + 1);
            SchedulingPoint.Interleave();
            if (timeout.Seconds > 0 || timeout.Nanoseconds > 0)
            {
                bell.Await();
            }

            events.Events = EPOLLIN;
            events.Data = 0;
            return bell.Readable ? 1 : 0;
        }

        internal static int eventfd(uint initval, int flags) => EventCounter.Open();

        internal static nint read(int fd, ref ulong value, nint count) =>
            EventCounter.Of(fd).Read(ref value);

        internal static nint write(int fd, in ulong value, nint count) =>
            EventCounter.Of(fd).Write(value);

        internal static int close(int fd)
        {
            EventCounter.Of(fd).Close();
            return 0;
        }
    }

    /// <summary>struct epoll_event.</summary>
    internal struct EpollEvent
    {
        internal uint Events;
        internal ulong Data;
    }

    /// <summary>struct timespec.</summary>
    internal struct Timespec
    {
        internal long Seconds;
        internal long Nanoseconds;
    }
}
