using StorageOs.Contracts.Services;

namespace StorageOs.Witness.Etcd;

/// <summary>
/// The register in etcd, a key for each group. Calls run on the thread pool, so that no reactor
/// waits for a connection, and groups share nothing, so that neither waits for the other.
/// </summary>
internal sealed class EtcdWitness : IWitness
{
    private readonly EtcdRegister[] registers;

    /// <summary>Connects nothing yet.</summary>
    public EtcdWitness(EtcdSettings settings)
    {
        registers = [.. GroupId.All.Select(group => new EtcdRegister(settings, group))];
        string members = string.Join(", ", settings.Endpoints.Select(
            static address => address.GetLeftPart(UriPartial.Authority)));
        Description = $"etcd at {members}, keys {settings.Prefix}/";
    }

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public ValueTask<WitnessReading> ReadAsync(GroupId group, CancellationToken cancellation) =>
        new(Task.Run(
            () => registers[group.Value].ReadAsync(cancellation), CancellationToken.None));

    /// <inheritdoc/>
    public ValueTask<SwapOutcome> TrySwapAsync(
        GroupId group, RegisterEntry next, CancellationToken cancellation) =>
        new(Task.Run(
            () => registers[group.Value].SwapAsync(next with { Group = group }, cancellation),
            CancellationToken.None));

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach(registers, static register => register.Dispose());
}
