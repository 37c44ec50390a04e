using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

/// <summary>
/// Something to be done, in the order given. Those with an operation number report back by an
/// event that carries it; the core ignores any other number.
/// </summary>
internal abstract record GroupEffect;

/// <summary>Read the register; answered by <see cref="ReadDone"/>.</summary>
internal sealed record ReadRegister(ulong Operation) : GroupEffect;

/// <summary>
/// Record <paramref name="Memory"/> durably, then send the swap (S3: never the other way round);
/// answered by <see cref="SwapDone"/>.
/// </summary>
internal sealed record Swap(ulong Operation, RegisterEntry Next, DurableMemory Memory)
    : GroupEffect;

/// <summary>
/// Record durably, now. S13: with <paramref name="Adopted"/> first this node's own copy of the
/// register's entry, for what the memory says of a term must never be ahead of it.
/// </summary>
internal sealed record Record(DurableMemory Memory, RegisterEntry? Adopted = null) : GroupEffect;

/// <summary>
/// S13: read the partner's durable record, once its process can write it no more; answered by
/// <see cref="PartnerRecordDone"/>.
/// </summary>
internal sealed record ReadPartnerRecord(ulong Operation) : GroupEffect;

/// <summary>S4: revoke, probe, recover; answered by <see cref="LogDone"/>.</summary>
internal sealed record Fence(ulong Operation) : GroupEffect;

/// <summary>Make the partner's copy equal (S7); answered by <see cref="LogDone"/>.</summary>
internal sealed record Push(ulong Operation, Term Term, bool Format) : GroupEffect;

/// <summary>
/// Copy to a stale partner what it lacks (S11); answered by <see cref="LogDone"/>.
/// </summary>
internal sealed record CopyAll(ulong Operation) : GroupEffect;

/// <summary>S14: let nothing be unanswered; answered by <see cref="LogDone"/>.</summary>
internal sealed record Drain(ulong Operation) : GroupEffect;

/// <summary>End a drain.</summary>
internal sealed record Resume : GroupEffect;

/// <summary>Cancel the copy or drain of that number; its end is not waited for.</summary>
internal sealed record Cancel(ulong Operation) : GroupEffect;

/// <summary>Offer this copy to the owner.</summary>
internal sealed record BecomePassive : GroupEffect;

/// <summary>Serve without a partner.</summary>
internal sealed record ServeAlone(Term Term) : GroupEffect;

/// <summary>Serve with the partner's copy written, too.</summary>
internal sealed record ServeWithPartner(Term Term, bool AcknowledgeOnBoth) : GroupEffect;

/// <summary>S1: acknowledge and answer nothing.</summary>
internal sealed record Freeze : GroupEffect;

/// <summary>Stop serving and release the service address, before anything else (S2).</summary>
internal sealed record StepDown : GroupEffect;

/// <summary>L7: the register says InSync.</summary>
internal sealed record ClearForgot : GroupEffect;
