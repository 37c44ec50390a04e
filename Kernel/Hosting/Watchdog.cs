using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Feeds the machine's watchdog from the connection manager's reactor: when that stands still, the
/// partner sees a still beat and the machine is reset. A process that ends without a word leaves
/// the watchdog armed, and has until its limit to be started again
/// (Documentation/watchdog/watchdog-api of Linux).
/// </summary>
internal sealed class Watchdog : IDisposable
{
    // Between the word that disarms it and the end of the file nothing may be written, or the
    // device stays armed; the reactor feeds until another thread disarms.
    private readonly Lock gate = new();
    private readonly FileStream device;
    private readonly ILogger log;
    private bool ended;

    private Watchdog(FileStream device, ILogger log)
    {
        this.device = device;
        this.log = log;
    }

    /// <summary>Opens the device, which arms it; null when there is none to open.</summary>
    internal static Watchdog? Start(string path, IReactor reactor, ILogger log)
    {
        try
        {
            FileStream device = new(path, FileMode.Open, FileAccess.Write, FileShare.None, 0);
            Watchdog watchdog = new(device, log);

            // One that a process before this has left armed goes on from where it was.
            watchdog.Feed();
            reactor.Post(_ => reactor.Every(Limits.WatchdogPeriod, watchdog.Feed), null);
            KernelEvents.WatchdogArmed.Raise(log, path);
            return watchdog;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            KernelEvents.WatchdogMissing.Raise(log, path, failure.Message);
            return null;
        }
    }

    /// <summary>Disarms it: the node ends because it was asked to.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (device.CanWrite)
            {
                _ = Write("V"u8); // Also when it could not be fed: else the machine is reset.
            }

            ended = true;
            device.Dispose();
        }
    }

    private void Feed()
    {
        lock (gate)
        {
            if (!ended)
            {
                ended = !Write("\0"u8);
            }
        }
    }

    private bool Write(ReadOnlySpan<byte> what)
    {
        try
        {
            device.Write(what);
            return true;
        }
        catch (IOException failure)
        {
            KernelEvents.WatchdogFailed.Raise(log, failure.Message);
            return false;
        }
    }
}
