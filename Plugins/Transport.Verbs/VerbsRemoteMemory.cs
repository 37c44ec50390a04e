using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Verbs;

/// <summary>The partner's memory: a key and an address. The partner's card checks both.</summary>
internal sealed class VerbsRemoteMemory(RemoteRegion region) : IRemoteMemory
{
    /// <inheritdoc/>
    public RemoteRegion Region { get; } = region;

    /// <summary>Whether the key can be one of a card at all: those have 32 bits.</summary>
    public bool HasCardKey => Region.Key <= uint.MaxValue;

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing is held: posts name the memory by value.
    }
}
