using ApplicationServer.Shared;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Hosting;

namespace ApplicationServer;

/// <summary>
/// The application's records: written to its own log and pushed into the memory of its partner, a
/// storage node, before anybody is told that they are kept. Any thread.
/// </summary>
internal sealed class Journal : IPlugin, IDisposable
{
    public const string PluginId = "sample.records";
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(5);

    private readonly IStorageOsNode node;
    private readonly FileStream mine;
    private readonly RecordLog log;
    private readonly bool alone;
    private readonly Acknowledging acknowledging;
    private volatile RecordsClient? client;

    public Journal(IConfiguration configuration, IHostEnvironment environment, IStorageOsNode node)
    {
        this.node = node;
        alone = configuration["Journal:WithoutPartner"] switch
        {
            null or "refuse" => false,
            "alone" => true,
            string other => throw new RefusedException(new Refusal(
                "configuration, key Journal:WithoutPartner", "refuse or alone", $"\"{other}\"")),
        };
        string path = Path.GetFullPath(
            configuration["Journal:File"] ?? "records.log", environment.ContentRootPath);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        mine = new(path + ".lock", FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        log = RecordLog.Open(path);
        acknowledging = new(log, alone, path + ".lacks");
    }

    /// <summary>How its records stand to the partner's.</summary>
    public (RecordsState State, ulong Records, ulong Held, string Why) Standing =>
        acknowledging.Standing;

    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        registry.Services.AddSingleton<IClient>(services =>
        {
            client = new RecordsClient(
                log, acknowledging, services.GetRequiredService<NodeInfo>(),
                services.GetRequiredService<IReactor>(),
                services.GetRequiredService<ILogger<RecordsClient>>(), flushesFirst: alone);
            return client;
        });
    }

    /// <summary>Every record, and whether the partner is known to hold it, too.</summary>
    public IEnumerable<(ulong Sequence, byte[] Payload, bool Both)> All()
    {
        (_, ulong records, ulong both, _) = Standing;
        for (ulong sequence = 1; sequence <= records; sequence++)
        {
            yield return (sequence, log.Read(sequence), sequence <= both);
        }
    }

    /// <summary>Why a record would not be acknowledged now; null when it would.</summary>
    public Refusal? WhyNot() => acknowledging.WhyNot(WhyNotRunning());

    /// <summary>
    /// Appends a record, and returns once it is in this node's file, flushed, and in the partner's
    /// memory.
    /// </summary>
    /// <returns>Its number, and whether both nodes hold it; "alone" lets one be enough.</returns>
    /// <exception cref="RefusedException">
    /// It is not acknowledged. Whether it is kept is not known, but when it was refused at once.
    /// </exception>
    public async Task<(ulong Sequence, bool Both)> AppendAsync(byte[] payload)
    {
        try
        {
            (ulong sequence, Task<bool> both) = acknowledging.Append(payload, WhyNotRunning());
            client?.Appended(); // To be pushed while it is flushed, where that is safe.
            await Task.Run(() => log.Flush(sequence));
            client?.Appended();
            bool isHeld = await HeldAsync(sequence, both);
            return isHeld || alone ? (sequence, isHeld) : throw new RefusedException(new Refusal(
                $"record {sequence}", "a partner that holds it, too", "none that says so",
                "it may be kept or not: look before you send it again"));
        }
        catch (IOException failed)
        {
            throw new RefusedException(
                new Refusal("a record", "a disk that keeps it", failed.Message,
                    "it may be kept or not: look before you send it again"),
                failed);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        log.Dispose();
        mine.Dispose();
    }

    private string? WhyNotRunning()
    {
        NodeStatus status = node.Status;
        PluginStatus? own = status.Plugins.FirstOrDefault(plugin => plugin.Id == PluginId);
        return status.State == NodeState.Running && own?.State == "Running" ? null
            : $"the node is {status.State}, {own?.State} {status.Reason}{own?.Reason}";
    }

    private async Task<bool> HeldAsync(ulong sequence, Task<bool> both)
    {
        try
        {
            return await both.WaitAsync(AnswerTimeMax);
        }
        catch (TimeoutException)
        {
            acknowledging.Forget(sequence);
            return false;
        }
    }
}
