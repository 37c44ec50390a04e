using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// S13: the register of a group without a witness, as this node has it, and the way to the
/// partner's record. Reactor thread only: a swap is an 80-byte write of this node's own file.
/// </summary>
internal sealed class OwnRegister(
    RecordFile own, Func<Task<(WitnessReading Reading, bool Runs)>>? readPartner) : IDisposable
{
    private static readonly WitnessReading Nowhere = new(
        ReadOutcome.Unavailable, null, "no `partnerRecord` is configured for this node");

    /// <summary>Reads this node's entry.</summary>
    public WitnessReading Read() => own.Entry is RegisterEntry entry
        ? new WitnessReading(ReadOutcome.Found, entry)
        : new WitnessReading(ReadOutcome.Missing, null);

    /// <summary>Puts an entry of this node's making in place.</summary>
    public SwapOutcome Swap(RegisterEntry next) => own.Swap(next);

    /// <summary>Puts an entry of the partner's making in place.</summary>
    public void Adopt(RegisterEntry entry) => own.Adopt(entry);

    /// <summary>Reads the partner's record, and whether its process runs.</summary>
    public Task<(WitnessReading Reading, bool Runs)> ReadPartnerAsync() =>
        readPartner is null ? Task.FromResult((Nowhere, false)) : readPartner();

    /// <inheritdoc/>
    public void Dispose() => own.Dispose();
}
