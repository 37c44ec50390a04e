using StorageOs.Contracts.Services;

namespace StorageOs.Simulator.Whole;

/// <summary>
/// The witness: a register whose operations land late, whose answers come late, and either of
/// which may be lost. A swap that nobody has an answer to may land long after.
/// </summary>
internal sealed class SimulatedRegister(World world)
{
    private const long LateMax = 20 * World.Second;
    private readonly RegisterEntry?[] entries = new RegisterEntry?[GroupId.Count];

    /// <summary>Answers nothing.</summary>
    public bool IsDown { get; set; }

    /// <summary>One request or reply in so many is lost; 0: none.</summary>
    public int LoseOneIn { get; set; }

    /// <summary>The most nanoseconds that a request takes, and a reply.</summary>
    public long DelayMax { get; set; } = World.Millisecond;

    /// <summary>How long whoever asks waits for an answer.</summary>
    public long Patience { get; set; } = 300 * World.Millisecond;

    /// <summary>Swaps that were won.</summary>
    public long Swaps { get; private set; }

    /// <summary>A group's entry as it stands.</summary>
    public RegisterEntry? Entry(GroupId group) => entries[group.Value];

    /// <summary>Starts a read for a node.</summary>
    public Task<WitnessReading> Read(GroupId group, Action<Action> deliver)
    {
        TaskCompletionSource<WitnessReading> reply = new();
        world.After(Patience, () => deliver(() => reply.TrySetResult(
            new(ReadOutcome.Unavailable, null, "no answer"))));
        Travel(0, () =>
        {
            WitnessReading found = Entry(group) is { } entry
                ? new(ReadOutcome.Found, entry)
                : new(ReadOutcome.Missing, null);
            Travel(0, () => deliver(() => reply.TrySetResult(found)));
        });
        return reply.Task;
    }

    /// <summary>Starts a swap for a node.</summary>
    public Task<SwapOutcome> Swap(RegisterEntry next, Action<Action> deliver)
    {
        TaskCompletionSource<SwapOutcome> reply = new();
        world.After(Patience, () => deliver(() => reply.TrySetResult(
            new(SwapResult.Undecided, null, "no answer"))));
        bool late = LoseOneIn > 0 && world.Random.OneIn(LoseOneIn);
        Travel(late ? world.Random.Below(LateMax) : 0, () =>
        {
            RegisterEntry? before = Entry(next.Group);
            bool won = (before?.Term.Value ?? 0) + 1 == next.Term.Value;
            if (won)
            {
                Swaps++;
                entries[next.Group.Value] = next;
                world.Tell($"register: {next.Group} term {next.Term} owner {next.Owner} "
                    + $"{next.Sync} {next.StaleNode}");
            }

            SwapOutcome outcome = won
                ? new(SwapResult.Won, next)
                : new(SwapResult.Lost, before);
            Travel(0, () => deliver(() => reply.TrySetResult(outcome)));
        });
        return reply.Task;
    }

    private void Travel(long more, Action arrived)
    {
        if (!IsDown && !world.Random.OneIn(LoseOneIn))
        {
            world.After(1 + more + world.Random.Below(DelayMax), arrived);
        }
    }
}

/// <summary>The register as one boot of one node reaches it.</summary>
internal sealed class NodeWitness(SimulatedRegister register, WholeNode node, ulong boot) : IWitness
{
    /// <inheritdoc/>
    public string Description => "simulated witness";

    /// <inheritdoc/>
    public ValueTask<WitnessReading> ReadAsync(GroupId group, CancellationToken cancellation)
    {
        node.Point(boot);
        return new(register.Read(group, reply => node.Awake(boot, reply)));
    }

    /// <inheritdoc/>
    public ValueTask<SwapOutcome> TrySwapAsync(
        GroupId group, RegisterEntry next, CancellationToken cancellation)
    {
        node.Point(boot);
        return new(register.Swap(next, reply => node.Awake(boot, reply)));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
