namespace StorageOs.Contracts.Services;

/// <summary>
/// Who owns which group, as this node knows it. Reactor thread of the storage modules only.
/// </summary>
public interface IOwnership
{
    /// <summary>What this node knows of a group.</summary>
    GroupOwnership Of(GroupId group);

    /// <summary>Called after any of it changed.</summary>
    event Action? Changed;
}

/// <summary>What a node knows of a group.</summary>
/// <param name="Group">The group.</param>
/// <param name="Entry">The register's entry as last read; null before the first answer.</param>
/// <param name="Serves">Whether this node answers requests of the group now.</param>
/// <param name="State">The state it is in, as a word for people and status.</param>
/// <param name="Why">Why it is in it, or what it waits for; empty when all is well.</param>
/// <param name="HoldsServiceAddress">
/// Whether this node must accept connections for the group (S4: after swap and replay).
/// </param>
public readonly record struct GroupOwnership(
    GroupId Group, RegisterEntry? Entry, bool Serves, string State, string Why,
    bool HoldsServiceAddress);
