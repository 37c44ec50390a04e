namespace StorageOs.FailoverMonitor.Core;

/// <summary>What can hinder a node from taking a group over; a word of it is in status.</summary>
internal enum HindranceCode
{
    /// <summary>The register is not the one that this node has worked with.</summary>
    RegisterRefused,

    /// <summary>The register was never read in this boot.</summary>
    RegisterUnread,

    /// <summary>The witness does not answer now.</summary>
    WitnessUnavailable,

    /// <summary>This node's log may lack what it acknowledged (L7).</summary>
    Forgot,

    /// <summary>A swap of this node's may still land (S3).</summary>
    SwapUndecided,

    /// <summary>Both nodes have never been in sync.</summary>
    NeverInSync,

    /// <summary>This node lacks what its partner has.</summary>
    Stale,

    /// <summary>This node's memory of the register cannot be written.</summary>
    RecordFault,

    /// <summary>The partner's rights could not be proven dead (S4).</summary>
    FenceFault,

    /// <summary>There is no session, and a planned move needs one.</summary>
    NoSession,

    /// <summary>The partner has said nothing in this session yet.</summary>
    PartnerUnheard,

    /// <summary>One node works with a witness and the other without.</summary>
    RulesDiffer,

    /// <summary>A swap of the partner's may still land (S3).</summary>
    PartnerUndecided,

    /// <summary>The owner does not serve under mirrored rules now.</summary>
    OwnerNotMirrored,

    /// <summary>This node's disk for the group has failed.</summary>
    DiskFailed,

    /// <summary>This node's log is nearly full: it would serve with no room to write.</summary>
    LogNearlyFull,

    /// <summary>S13: nobody could tell whether a dead partner had gone alone.</summary>
    NoPartnerRecord,

    /// <summary>A module of either node has something against it.</summary>
    Vetoed,
}

/// <summary>Which takeovers something hinders.</summary>
internal enum HindranceScope
{
    /// <summary>Every one but by force.</summary>
    Every,

    /// <summary>Those that an operator, or a giveback, asks for.</summary>
    Planned,

    /// <summary>Those from a partner that is lost.</summary>
    Failover,
}

/// <summary>Something that hinders this node from taking a group over.</summary>
/// <param name="Code">What kind of thing.</param>
/// <param name="What">What exactly, for people.</param>
/// <param name="Age">For how long.</param>
/// <param name="Remedy">What ends it, or what a person can do.</param>
/// <param name="Who">Whose veto it is; empty for everything else.</param>
internal sealed record Hindrance(
    HindranceCode Code, string What, TimeSpan Age, string Remedy, string Who = "")
{
    /// <summary>Whether it hinders a planned takeover.</summary>
    public bool OfPlanned => ScopeOf(Code) != HindranceScope.Failover;

    /// <summary>Whether it hinders a takeover from a partner that is lost.</summary>
    public bool OfFailover => ScopeOf(Code) != HindranceScope.Planned;

    /// <summary>Which takeovers a kind of thing hinders.</summary>
    public static HindranceScope ScopeOf(HindranceCode code) => code switch
    {
        HindranceCode.NoPartnerRecord => HindranceScope.Failover,
        >= HindranceCode.NoSession => HindranceScope.Planned,
        _ => HindranceScope.Every,
    };
}
