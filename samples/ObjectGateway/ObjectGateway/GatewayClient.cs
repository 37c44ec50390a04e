using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace Sample.ObjectGateway;

/// <summary>What requests find: a mounted volume, or why there is none.</summary>
internal sealed record Standing(Mounted? Mount, string Why);

/// <summary>
/// The client "sample-objectgateway": mounts the volume whenever this node serves it, and lets it
/// go when it does so no more. Needs neither ports nor memory: the volume is mirrored, so what is
/// acknowledged here is there when the partner mounts it.
/// </summary>
internal sealed class GatewayClient(
    NodeInfo node, Settings settings, IReactor reactor, IVolumes volumes, ILoggerFactory logs,
    ILogger<GatewayClient> logger) : IClient, IAsyncDisposable
{
    private static readonly TimeSpan Often = TimeSpan.FromSeconds(1);
    private const int RefusedRestsFor = 10; // Times as long: somebody has to do something first.
    private IVolume volume = null!;
    private VolumeIo io = null!;
    private Web? web;
    private IDisposable? ticking;
    private Mounting? mounting;
    private int rests;
    private string said = "";
    private bool stopped;
    private volatile Standing standing = new(null, "it has not started");

    /// <inheritdoc/>
    public ClientNeeds Needs { get; } = new("sample-objectgateway", new(1, 1), [], []);

    /// <summary>Where its socket is, unless the setting says otherwise.</summary>
    public string DataDirectory => node.DataDirectory;

    /// <summary>What requests find now; any thread.</summary>
    public Standing Standing => standing;

    /// <summary>How often the volume was mounted.</summary>
    public int Mounts { get; private set; }

    /// <summary>Who answers requests; null before the start.</summary>
    public Requests? Requests { get; private set; }

    /// <inheritdoc/>
    public async ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        volume = volumes.All.FirstOrDefault(one => one.Name == settings.Volume)
            ?? throw new RefusedException(new(
                "setting volume", $"one of {string.Join(", ", volumes.All.Select(v => v.Name))}",
                settings.Volume, "correct the setting"));
        if (Layout.Refuse(volume.Name, volume.SizeBytes) is { } refusal)
        {
            throw new RefusedException(refusal);
        }

        io = new(volume, reactor);
        Requests = new(() => standing, node, logger);
        web = await Web.OpenAsync(
            Path.Combine(node.DataDirectory, settings.Socket), settings.Address, Requests, logs,
            stopping);
        volumes.ServingChanged += Look;
        ticking = reactor.Every(Often, Look);
        Look();
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
        // The volume says what this node has to do; the session alone says nothing.
    }

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end)
    {
        // As above.
    }

    /// <inheritdoc/>
    public async ValueTask StopAsync(CancellationToken deadline)
    {
        stopped = true;
        volumes.ServingChanged -= Look;
        ticking?.Dispose();
        Unmount("the node stops");
        if (web is not null)
        {
            await web.CloseAsync(deadline);
            await Requests!.EndAsync(deadline);
        }

        if (io is { Running: > 0 })
        {
            TaskCompletionSource idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
            io.Idle = () => idle.TrySetResult();
            await idle.Task.WaitAsync(deadline);
        }
    }

    /// <summary>Nobody is served any more, also when it was not stopped.</summary>
    public async ValueTask DisposeAsync()
    {
        if (web is not null)
        {
            await web.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void Look()
    {
        if (!volume.Served)
        {
            rests = 0;
            Unmount($"{volume.Name} is not served here");
        }
        else if (standing.Mount is null && mounting is null && !stopped && --rests < 0)
        {
            Mount();
        }
    }

    private void Unmount(string why)
    {
        Mounted? was = standing.Mount;
        mounting = null; // Whatever comes of one that is under way.
        if (standing.Why != why)
        {
            logger.LogInformation("{Why}", why);
        }

        standing = new(null, why);
        was?.Lose();
    }

    private void Mount()
    {
        long begun = Stopwatch.GetTimestamp();
        Mounting one = mounting = new(
            volume.Name, new(volume.SizeBytes), settings.Format,
            static () => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))),
            NextData);
        standing = new(null, $"{volume.Name} is being mounted");
        io.Run(one.Steps(), status =>
        {
            if (mounting == one)
            {
                mounting = null;
                Take(one, status, Stopwatch.GetElapsedTime(begun));
            }
        });
    }

    private void Take(Mounting mounted, VolumeStatus status, TimeSpan time)
    {
        if (mounted.Result is { } store)
        {
            Mounts++;
            said = "";
            standing = new(new(store, io, reactor, why => Unmount($"{volume.Name}: {why}")), "");
            logger.LogInformation(
                "{Volume} is mounted after {Milliseconds:0.0} ms: {Objects} objects, "
                + "{Free} of {Blocks} blocks free{Mended}",
                volume.Name, time.TotalMilliseconds, store.Index.Count, store.Index.Space.Free,
                store.Layout.DataBlocks, mounted.Mended.Length == 0 ? "" : ", " + mounted.Mended);
            return;
        }

        string why = mounted.Refused?.ToString() ?? $"{volume.Name}: a request ended as {status}";
        if (why != said)
        {
            logger.LogError("{Why}", why);
            said = why; // Once, however often it is tried again.
        }

        rests = mounted.Refused is null ? 0 : RefusedRestsFor;
        standing = new(null, why);
    }

    private long NextData(long from)
    {
        const long Window = 64L * Size.MiB;
        long data = -1;
        for (long at = from; at < volume.SizeBytes && data < 0; at += Window)
        {
            long here = at;
            volume.Extents(at, Math.Min(Window, volume.SizeBytes - at), (length, zeros) =>
            {
                data = data < 0 && !zeros ? here / Layout.BlockBytes * Layout.BlockBytes : data;
                here += length;
            });
        }

        return data < 0 ? volume.SizeBytes : data;
    }
}
