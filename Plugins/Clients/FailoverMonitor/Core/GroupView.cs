using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

/// <summary>
/// What a node tells its partner of one group (S7). Read one-sidedly by the partner; valid for the
/// session it was read in only.
/// </summary>
/// <param name="RecordedRegister">
/// Register id that the node has durably recorded; empty when none.
/// </param>
/// <param name="Entry">The register's entry as the node knows it; null when it does not.</param>
/// <param name="Role">What the node does with its log.</param>
/// <param name="Undecided">What an undecided swap of the node was for.</param>
/// <param name="UndecidedTerm">Its term.</param>
/// <param name="Forgot">The node's copy may lack what it once acknowledged (L7).</param>
/// <param name="Request">Nonzero while the node asks to become owner (S14).</param>
/// <param name="AnsweredRequest">Last request of the partner that was answered.</param>
/// <param name="Answer">Why that request was not granted; empty when it was.</param>
/// <param name="NoWitness">The node works without a witness (S13); both must, or neither.</param>
/// <param name="Vetoes">What the node's modules have against a planned move; null for none.</param>
/// <param name="Overrides">Vetoes that the request overrides, by name, with commas.</param>
/// <param name="MayTake">Nothing on the node hinders a planned takeover by it.</param>
/// <param name="Offers">The node has the group away from home, and offers it back.</param>
internal readonly record struct GroupView(
    Guid RecordedRegister,
    RegisterEntry? Entry,
    LogRole Role,
    SwapIntent Undecided,
    Term UndecidedTerm,
    bool Forgot,
    ulong Request,
    ulong AnsweredRequest,
    string Answer,
    bool NoWitness = false,
    IReadOnlyList<HandoverVeto>? Vetoes = null,
    string Overrides = "",
    bool MayTake = false,
    bool Offers = false);
