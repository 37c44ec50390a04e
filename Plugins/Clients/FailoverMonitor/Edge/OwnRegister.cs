using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// S13: the register of a group without a witness, as this node has it, and the way to the
/// partner's record. Reactor thread only: a swap is an 80-byte write of this node's own file.
/// </summary>
internal sealed class OwnRegister(RecordFile own, string? partnerPath) : IDisposable
{
    /// <summary>Reads this node's entry.</summary>
    public WitnessReading Read() => own.Entry is RegisterEntry entry
        ? new WitnessReading(ReadOutcome.Found, entry)
        : new WitnessReading(ReadOutcome.Missing, null);

    /// <summary>Puts an entry of this node's making in place.</summary>
    public SwapOutcome Swap(RegisterEntry next) => own.Swap(next);

    /// <summary>Puts an entry of the partner's making in place.</summary>
    public void Adopt(RegisterEntry entry) => own.Adopt(entry);

    /// <summary>Reads the partner's record; on any thread.</summary>
    public (WitnessReading Reading, bool Runs) ReadPartner(GroupId group) => partnerPath is null
        ? (new WitnessReading(
            ReadOutcome.Unavailable, null, "no `partnerRecord` is configured for this node"), false)
        : RecordFile.ReadDead(partnerPath, group);

    /// <inheritdoc/>
    public void Dispose() => own.Dispose();
}
