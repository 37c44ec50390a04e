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
internal sealed class Journal : IPlugin, IRecordsWatcher, IDisposable
{
    public const string PluginId = "sample.records";
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private readonly IStorageOsNode node;
    private readonly FileStream mine;
    private readonly RecordLog log;
    private readonly bool alone;
    private readonly SortedList<ulong, TaskCompletionSource<bool>> waiting = [];
    private volatile RecordsClient? client;
    private RecordsState state;
    private string why = "the node has not booted yet";
    private ulong held;
    private bool hasMet;

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
    }

    /// <summary>How its records stand to the partner's.</summary>
    public (RecordsState State, ulong Records, ulong Held, string Why) Standing
    {
        get
        {
            lock (gate)
            {
                return (state, log.Count, held, why);
            }
        }
    }

    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        registry.Services.AddSingleton<IClient>(services =>
        {
            client = new RecordsClient(
                log, this, services.GetRequiredService<NodeInfo>(),
                services.GetRequiredService<IReactor>(),
                services.GetRequiredService<ILogger<RecordsClient>>());
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
    public Refusal? WhyNot()
    {
        NodeStatus status = node.Status;
        PluginStatus? own = status.Plugins.FirstOrDefault(plugin => plugin.Id == PluginId);
        bool runs = status.State == NodeState.Running && own?.State == "Running";
        lock (gate)
        {
            if (runs && state == RecordsState.Together)
            {
                return null;
            }

            // Who has no record of its own does not know whether there are any: the partner may
            // have those of an earlier life. And who is being told must hear it to the end.
            bool mayGoAlone = alone && (log.Count > 0 || hasMet)
                && (!runs || state is RecordsState.Apart);
            return mayGoAlone ? null : new Refusal(
                "a record", "a partner that holds it, too",
                !runs ? $"the node is {status.State}, {own?.State} {status.Reason}{own?.Reason}"
                    : $"records that are {state}: {why}",
                alone ? "" : "with Journal:WithoutPartner set to alone one copy is enough");
        }
    }

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
        if (WhyNot() is { } refusal)
        {
            throw new RefusedException(refusal);
        }

        ulong sequence;
        TaskCompletionSource<bool> both = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            sequence = log.Append(payload);
            if (state is RecordsState.Apart or RecordsState.Differing)
            {
                both.SetResult(false);
            }
            else
            {
                waiting.Add(sequence, both);
            }
        }

        client?.Appended();
        await Task.Run(() => log.Flush(sequence)); // While it is pushed.
        bool isHeld = await HeldAsync(sequence, both);
        return isHeld || alone ? (sequence, isHeld) : throw new RefusedException(new Refusal(
            $"record {sequence}", "a partner that holds it, too", "none that says so",
            "it may be kept or not: look before you send it again"));
    }

    /// <inheritdoc/>
    public void Changed(RecordsState state, ulong held, string why)
    {
        lock (gate)
        {
            (this.state, this.held, this.why) = (state, held, why);
            hasMet |= state is RecordsState.Together;
            while (waiting.Count > 0 && waiting.GetKeyAtIndex(0) <= held)
            {
                waiting.GetValueAtIndex(0).SetResult(true);
                waiting.RemoveAt(0);
            }

            if (state is RecordsState.Apart or RecordsState.Differing)
            {
                foreach (TaskCompletionSource<bool> one in waiting.Values)
                {
                    one.SetResult(false);
                }

                waiting.Clear();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        log.Dispose();
        mine.Dispose();
    }

    private async Task<bool> HeldAsync(ulong sequence, TaskCompletionSource<bool> both)
    {
        try
        {
            return await both.Task.WaitAsync(AnswerTimeMax);
        }
        catch (TimeoutException)
        {
            lock (gate)
            {
                _ = waiting.Remove(sequence);
            }

            return false;
        }
    }
}
