using StorageOs.Contracts.Runtime;

namespace StorageOs.NvramMirror;

/// <summary>What <see cref="StandstillWatch"/> decides from.</summary>
/// <param name="End">End of what was appended.</param>
/// <param name="Freed">Start of the space that is in use.</param>
/// <param name="Capacity">Bytes of the ring.</param>
/// <param name="Flushed">What this node's disk holds.</param>
/// <param name="PartnerFlushed">What the partner's disk holds, as it last said.</param>
internal readonly record struct LogFill(
    ulong End, ulong Freed, ulong Capacity, ulong Flushed, ulong PartnerFlushed);

/// <summary>
/// Rule L4: decides when a partner's disk has stood still for too long while the log fills. Pure;
/// told the time. Giving the partner up must help: as long as this node's own disk is what fills
/// the log, the partner is not to blame, and a copy more is worth keeping.
/// </summary>
internal sealed class StandstillWatch
{
    private ulong last;
    private Instant since;

    /// <summary>Starts anew, with a partner that was just taken in.</summary>
    public void Begin(Instant now) => since = now;

    /// <summary>Whether the partner must be given up now.</summary>
    public bool Stands(Instant now, in LogFill fill)
    {
        ulong limit = fill.Capacity / 8 * Limits.FillEighths;
        bool fills = fill.End - fill.Freed >= limit && fill.End - fill.Flushed < limit;
        if (fill.PartnerFlushed != last || !fills)
        {
            last = fill.PartnerFlushed;
            since = now;
            return false;
        }

        return now - since >= Limits.PartnerStandstillMax;
    }
}
