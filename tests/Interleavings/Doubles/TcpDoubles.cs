using Microsoft.Coyote.Runtime;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Transports;
using StorageOs.Interleavings;
using StorageOs.Interleavings.Doubles;
using StorageOs.Transport.Tcp.Interop;

namespace StorageOs.Transport.Tcp
{
    /// <summary>Memory of a region.</summary>
    internal sealed class MappedMemory(int length) : CheckedMemory(length)
    {
        public static MappedMemory Anonymous(int length) => new(length);

        public static MappedMemory OfFile(string path, int length) => new(length);
    }

    /// <summary>What joins the parts; counts what it is told.</summary>
    internal sealed class TcpTransport
    {
        public ServiceThread Thread { get; } = new();

        public GrantTable Grants { get; }

        public int Forgotten { get; private set; }

        public int Changes { get; private set; }

        public TcpTransport() => Grants = new GrantTable([Thread.Usage]);

        public ServiceThread ThreadOf(PortClass portClass) => Thread;

        public void Forget(object part) => Forgotten++;

        public void Changed() => Changes++;
    }

    /// <summary>A thread that a scenario plays.</summary>
    internal sealed class ServiceThread
    {
        public Usage Usage { get; } = new();

        public List<RequestServer> Posted { get; } = [];

        public void Post(RequestServer server) => Posted.Add(server);
    }

    /// <summary>Requests of a partner; there are none.</summary>
    internal sealed class RequestServer
    {
        public RequestServer(
            PortEnd end, Wire wire, GrantTable grants, ServiceThread thread,
            ReadOnlySpan<byte> first)
        {
            // Nobody runs it.
        }
    }

    /// <summary>The connection of the nodes.</summary>
    internal sealed class Link
    {
        private readonly List<PortEnd> ends = [];
        private bool gone;

        public bool Gone => Volatile.Read(ref gone);

        public int Count => ends.Count;

        public void Add(PortEnd end) => ends.Add(end);

        public void Remove(PortEnd end) => _ = ends.Remove(end);

        public void End()
        {
            Volatile.Write(ref gone, true);
            foreach (PortEnd end in ends.ToArray())
            {
                end.LinkEnded();
            }
        }
    }

    /// <summary>A connection of a port.</summary>
    internal sealed class Wire : IDisposable
    {
        public bool Ended { get; private set; }

        public bool IsShut { get; private set; }

        public int Receive(Span<byte> into) => into.Length;

        public void Shutdown()
        {
            SchedulingPoint.Interleave();
            IsShut = true;
        }

        public void Dispose() => Ended = true;
    }

    /// <summary>Descriptors that the system has not, and must not close.</summary>
    internal static class Native
    {
        public static SafeFileHandle Handle(int descriptor, string call) =>
            new(descriptor, ownsHandle: false);
    }
}

namespace StorageOs.Transport.Tcp.Interop
{
    /// <summary>eventfd, and what is done with one.</summary>
    internal static class Libc
    {
        internal const int EFD_CLOEXEC = 0x80000;
        internal const int EFD_NONBLOCK = 0x800;

        internal static int eventfd(uint initval, int flags) => EventCounter.Open();

        internal static nint read(SafeFileHandle fd, ref ulong value, nint count) =>
            Of(fd).Read(ref value);

        internal static nint write(SafeFileHandle fd, in ulong value, nint count) =>
            Of(fd).Write(value);

        internal static EventCounter Of(SafeFileHandle fd)
        {
            Together.Require(!fd.IsClosed, "a descriptor is used that is closed");
            return EventCounter.Of((int)fd.DangerousGetHandle());
        }
    }
}
