using StorageOs.Contracts.Services;

namespace StorageOs.Witness.Tests;

/// <summary>Entries to swap with.</summary>
internal static class Entries
{
    public static readonly GroupId Group = new(0);

    private static readonly Guid Register = Guid.NewGuid();

    /// <summary>One of a term, by a swap of its own.</summary>
    public static RegisterEntry Of(ulong term) => new(
        Register, Group, new Term(term), 7, SyncState.Stale, 8, new Lsn(99), Guid.NewGuid());
}
