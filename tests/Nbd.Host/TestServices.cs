using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Nbd.Host;

/// <summary>Volumes as a test made them.</summary>
internal sealed class TestVolumes(params IVolume[] volumes) : IVolumes
{
    /// <inheritdoc/>
    public event Action? ServingChanged;

    /// <inheritdoc/>
    public IReadOnlyList<IVolume> All => volumes;

    /// <summary>Says that serving changed.</summary>
    public void SayServingChanged() => ServingChanged?.Invoke();

    /// <inheritdoc/>
    public ValueTask<bool> ResyncAsync(
        GroupId group, IProgress<CopyProgress> progress, CancellationToken cancellation) =>
        throw new NotSupportedException();

    /// <inheritdoc/>
    public void TakeEntry(RegisterEntry entry) => throw new NotSupportedException();

    /// <inheritdoc/>
    public ValueTask DrainAsync(GroupId group, CancellationToken cancellation) =>
        throw new NotSupportedException();

    /// <inheritdoc/>
    public void Resume(GroupId group) => throw new NotSupportedException();

    /// <inheritdoc/>
    public Refusal? DiskFault(GroupId group) => null;
}

/// <summary>Ownership as a test wants it.</summary>
internal sealed class TestOwnership : IOwnership
{
    private readonly bool[] holds = new bool[GroupId.Count];

    /// <inheritdoc/>
    public event Action? Changed;

    /// <inheritdoc/>
    public GroupOwnership Of(GroupId group) =>
        new(group, null, holds[group.Value], "test", "", holds[group.Value]);

    /// <summary>Moves a service address here or away.</summary>
    public void Set(GroupId group, bool value)
    {
        holds[group.Value] = value;
        Changed?.Invoke();
    }
}
