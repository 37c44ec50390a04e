using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;

namespace StorageOs.Kernel.Hosting;

// By hand and not by Microsoft.Extensions.Hosting.Systemd: that says READY and STOPPING, but never
// WATCHDOG, which is the half that ends a node that stands still.

/// <summary>
/// Tells whoever started this process what becomes of it, as a systemd service of type notify does
/// (sd_notify(3)): that it is up, that it goes on, that it stops.
/// </summary>
internal sealed class ServiceManager : IDisposable
{
    private const string SocketVariable = "NOTIFY_SOCKET";
    private const string PeriodVariable = "WATCHDOG_USEC";
    private const string ProcessVariable = "WATCHDOG_PID";
    private static readonly TimeSpan ReadyTimeMax = TimeSpan.FromSeconds(5);
    private static readonly byte[] GoesOn = "WATCHDOG=1"u8.ToArray();

    private readonly Socket socket;
    private readonly TimeSpan? limit;
    private readonly ILogger log;
    private int failed;

    private ServiceManager(Socket socket, TimeSpan? limit, ILogger log) =>
        (this.socket, this.limit, this.log) = (socket, limit, log);

    /// <summary>
    /// Whoever the environment names; null when nobody is to be told. Processes that are started
    /// from here on do not see it: they have nothing to say to it.
    /// </summary>
    internal static ServiceManager? Find(ILogger log)
    {
        string? path = Environment.GetEnvironmentVariable(SocketVariable);
        TimeSpan? limit = Limit(
            Environment.GetEnvironmentVariable(PeriodVariable),
            Environment.GetEnvironmentVariable(ProcessVariable));
        foreach (string name in (string[])[SocketVariable, PeriodVariable, ProcessVariable])
        {
            Environment.SetEnvironmentVariable(name, null);
        }

        if (path is not { Length: > 1 } || path[0] is not ('/' or '@'))
        {
            return null;
        }

        Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
        {
            Blocking = false, // The reactor tells, and must not wait for who listens.
        };
        try
        {
            // An abstract address begins with a zero, which the variable has an @ for.
            socket.Connect(new UnixDomainSocketEndPoint(
                path[0] == '@' ? '\0' + path[1..] : path));
            return new ServiceManager(socket, limit, log);
        }
        catch (Exception failure) when (failure is SocketException or ArgumentException)
        {
            socket.Dispose();
            log.LogWarning(
                "expected a service manager at {Path}, found: {Failure}", path, failure.Message);
            return null;
        }
    }

    /// <summary>
    /// The node is up: it answers, and its handshake has begun. Whether it serves hangs on its
    /// partner as well, and is told as its status.
    /// </summary>
    internal void Ready(Node node)
    {
        // Nothing is on the reactor yet, and one that is lost has the node ended as never started.
        socket.Blocking = true;
        socket.SendTimeout = (int)ReadyTimeMax.TotalMilliseconds;
        Tell("READY=1\nSTATUS=up; the handshake has begun");
        socket.Blocking = false;
        if (limit is { } time)
        {
            node.Reactor.Post(
                _ => node.Reactor.Every(time / 3, () => Tell(GoesOn)), null);
        }

        _ = SayServingAsync(node);
    }

    /// <summary>
    /// The node stops, which may take longer than it may otherwise stand still.
    /// </summary>
    internal void Stopping(string why) => Tell(string.Create(
        CultureInfo.InvariantCulture,
        $"STOPPING=1\nWATCHDOG_USEC={Limits.StopTimeMax.TotalMicroseconds:F0}\n")
        + $"STATUS={why.ReplaceLineEndings(" ")}");

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    private static TimeSpan? Limit(string? period, string? process) =>
        long.TryParse(period, CultureInfo.InvariantCulture, out long microseconds)
        && microseconds > 0
        && (process is null
            || process == Environment.ProcessId.ToString(CultureInfo.InvariantCulture))
            ? TimeSpan.FromMicroseconds(microseconds) : null;

    private async Task SayServingAsync(Node node)
    {
        await node.Serving;
        Tell("STATUS=serving");
    }

    private void Tell(string what) => Tell(Encoding.UTF8.GetBytes(what));

    private void Tell(byte[] what)
    {
        try
        {
            _ = socket.Send(what);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            if (Interlocked.Exchange(ref failed, 1) == 0)
            {
                log.LogWarning("the service manager does not hear: {Failure}", failure.Message);
            }
        }
    }
}
