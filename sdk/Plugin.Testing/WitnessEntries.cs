using StorageOs.Contracts.Services;

namespace StorageOs.Plugin.Testing;

/// <summary>Entries to swap with.</summary>
public static class WitnessEntries
{
    private static readonly Guid Register = Guid.NewGuid();

    /// <summary>The group of all of them.</summary>
    public static GroupId Group { get; } = new(0);

    /// <summary>One of a term, by a swap of its own.</summary>
    public static RegisterEntry Of(ulong term) => new(
        Register, Group, new Term(term), 7, SyncState.Stale, 8, new Lsn(99), Guid.NewGuid());
}
