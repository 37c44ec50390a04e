using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes.Traces;

/// <summary>What a slot is used for.</summary>
internal enum TraceState
{
    /// <summary>Nothing.</summary>
    Free,

    /// <summary>A write that has not ended, or that nobody has looked at since.</summary>
    UnderWay,

    /// <summary>A write that is shown.</summary>
    Kept,
}

/// <summary>A traced write: its way, and what is known of it beside.</summary>
internal sealed class TracedWrite(int slot, TimeProvider clock)
{
    /// <summary>Its way.</summary>
    public WriteTrace Trace { get; } = new(slot, clock);

    /// <summary>What its slot is used for.</summary>
    public TraceState State { get; set; }

    /// <summary>The volume.</summary>
    public string Volume { get; set; } = "";

    /// <summary>Whether the volume began it, and so ends it: its user knows of no traces.</summary>
    public bool IsVolumes { get; set; }

    /// <summary>First byte.</summary>
    public long Offset { get; set; }

    /// <summary>Bytes.</summary>
    public int Length { get; set; }

    /// <summary>Force unit access.</summary>
    public bool ForceUnitAccess { get; set; }

    /// <summary>Where its last record ends; 0 when it has none.</summary>
    public Lsn Lsn { get; set; }

    /// <summary>Term that its record was written under.</summary>
    public Term Term { get; set; }

    /// <summary>What the log was when the write was answered.</summary>
    public LogRole Role { get; set; }

    /// <summary>The session in which it was; null when there was none.</summary>
    public SessionId? Session { get; set; }

    /// <summary>What the volume answered; null when it did not.</summary>
    public VolumeStatus? Status { get; set; }

    /// <summary>From its beginning to its last step, in ticks of the clock.</summary>
    public long Ticks => Trace.Steps is [.., var last] ? last.Ended - Trace.Began : 0;

    /// <summary>Begins anew.</summary>
    public void Begin(string volume, long began, bool isVolumes)
    {
        (State, Volume, IsVolumes) = (TraceState.UnderWay, volume, isVolumes);
        (Offset, Length, ForceUnitAccess) = (0, 0, false);
        (Lsn, Term, Role, Session, Status) = (default, default, default, null, null);
        Trace.Begin(began);
    }
}
