using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Plugin.Testing.Pair;

namespace StorageOs.Plugin.Testing;

/// <summary>
/// A node of a <see cref="ClientPair"/>. Its directories and its backed memory outlive its process.
/// </summary>
public sealed class ClientNode
{
    private readonly ClientPair pair;
    private readonly List<string> log = [];
    private ulong boots;

    internal ClientNode(ClientPair pair, string name, ulong id, string directory)
    {
        (this.pair, Name, Id, Directory) = (pair, name, id, directory);
    }

    /// <summary>Its name: a or b.</summary>
    public string Name { get; }

    /// <summary>The client of this boot; null while the node is down or makes it.</summary>
    public IClient? Client => Boot?.Client;

    /// <summary>Whether its process runs, if only paused.</summary>
    public bool IsUp => Boot is { HasStopped: false };

    /// <summary>Whether the client's start has completed.</summary>
    public bool HasStarted => Boot is { HasStarted: true };

    /// <summary>
    /// Whether the client was told that its partner is ready, and its session stands.
    /// </summary>
    public bool IsReady => Boot is { Session: { WasTold: true, End: null } };

    /// <summary>What its clients have logged at level information or above.</summary>
    public IReadOnlyList<string> Log => log;

    internal ulong Id { get; }

    internal string Directory { get; }

    internal PairBoot? Boot { get; private set; }

    internal ulong Epoch => boots;

    internal Dictionary<string, byte[]> Kept { get; } = [];

    /// <summary>Starts its process.</summary>
    public void Start()
    {
        Assert.False(IsUp, $"node {Name} runs already");
        boots++;
        NodeInfo info = new(
            Name, Name == "a" ? "b" : "a", Id, 3 - Id, boots, Directory, Directory,
            PersistenceLevel.Process)
        {
            MachineBootId = "test",
        };
        pair.Tell(this, $"boots, {boots}");
        Boot = new(pair, this, info);
        pair.Add(Boot);
    }

    /// <summary>Ends its process, in the middle of whatever it does.</summary>
    public void Crash()
    {
        if (Boot is { } boot)
        {
            pair.Tell(this, "crashes");
            Boot = null;
            boot.CheckGuards();
            boot.HasCrashed = true;
            boot.Die();
            pair.NodeDied(boot);
        }
    }

    /// <summary>A crash, and a start a while later.</summary>
    public void Reboot(TimeSpan after)
    {
        Crash();
        pair.Time.After(after.Ticks * 100, () =>
        {
            if (!IsUp)
            {
                Start();
            }
        });
    }

    /// <summary>
    /// Stops its process for a while, as a debugger does. After more than
    /// <see cref="ClientPair.BeatLimit"/> its partner has ended the session.
    /// </summary>
    public void Pause(TimeSpan time)
    {
        if (Boot is { } boot)
        {
            pair.Tell(this, $"pauses for {time.TotalMilliseconds:0.0} ms");
            pair.Pause(boot, time.Ticks * 100);
        }
    }

    /// <summary>
    /// Stops the client and then the process, and fails when that takes the client longer than a
    /// node waits.
    /// </summary>
    public void Stop()
    {
        if (Boot is { HasStopped: false } boot)
        {
            pair.Tell(this, "stops");
            boot.Stop();
            pair.Time.After(ClientPair.StopTimeMax.Ticks * 100, boot.EndPatience);
            pair.RunUntil(
                () => boot.HasStopped, ClientPair.StopTimeMax + ClientPair.StopGrace,
                $"{Name}'s stop");
            Boot = null;
        }
    }

    internal void Took(string line) => log.Add(line);
}
