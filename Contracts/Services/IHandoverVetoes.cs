namespace StorageOs.Contracts.Services;

/// <summary>
/// Reasons against moving a group to the other node on purpose, and who has them. The host gives it
/// to every module. A veto stops planned takeovers and automatic givebacks to and from this node,
/// unless an operator overrides it by name; it never stops a takeover from a node that is lost, nor
/// an owner whose disk fails from handing over (rule S14). Any thread.
/// </summary>
public interface IHandoverVetoes
{
    /// <summary>How many one module may have at a time.</summary>
    const int PerModuleMax = 8;

    /// <summary>
    /// Says that a group is not to be moved from now on, until what is returned is disposed or the
    /// module ends. The host notes who says it, and since when.
    /// </summary>
    /// <param name="group">The group; null for both.</param>
    /// <param name="why">What would be disturbed, for people.</param>
    /// <param name="remedy">What ends it, or what a person can do; never empty.</param>
    /// <exception cref="Runtime.RefusedException">
    /// The module has <see cref="PerModuleMax"/> already, or gives no reason or remedy.
    /// </exception>
    IDisposable Veto(GroupId? group, string why, string remedy);

    /// <summary>
    /// Every module's, oldest first; the same list as long as nothing changes. Of this node alone.
    /// </summary>
    IReadOnlyList<HandoverVeto> All { get; }
}

/// <summary>A reason against moving a group on purpose.</summary>
/// <param name="Who">Id of the module that has it; what an operator overrides it by.</param>
/// <param name="Group">The group; null for both.</param>
/// <param name="Why">What would be disturbed.</param>
/// <param name="Remedy">What ends it, or what a person can do.</param>
/// <param name="Since">
/// When it was made, by the clock of its node; for people, nothing is decided by it.
/// </param>
public sealed record HandoverVeto(
    string Who, GroupId? Group, string Why, string Remedy, DateTimeOffset Since);
