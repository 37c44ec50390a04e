namespace StorageOs.Volumes.Core;

/// <summary>What one node's record says of its disk, seen from the owner.</summary>
internal enum DiskHistory
{
    /// <summary>
    /// Nothing is known: of the own disk no record that goes with the partner's; of the partner's,
    /// no word yet.
    /// </summary>
    None,

    /// <summary>It has not changed by itself since both were in sync.</summary>
    Unchanged,

    /// <summary>It has, and its record says where.</summary>
    Changed,

    /// <summary>It has, under a term that the register has not reached.</summary>
    Foreign,
}

/// <summary>How two copies of a group stand to each other (rule S10).</summary>
internal enum Relation
{
    /// <summary>Neither has changed since both were in sync.</summary>
    Equal,

    /// <summary>The partner lacks what this node has.</summary>
    Behind,

    /// <summary>The partner has what this node lacks, and what does not count any more.</summary>
    Ahead,

    /// <summary>Each has what the other lacks; this node's counts.</summary>
    Fork,

    /// <summary>Nothing links the two.</summary>
    Unrelated,

    /// <summary>It cannot be told; nothing is done.</summary>
    Unknown,
}

/// <summary>What is done about it.</summary>
internal enum ResyncKind
{
    /// <summary>Nothing, and says why.</summary>
    Stop,

    /// <summary>Only a sample is compared.</summary>
    Sample,

    /// <summary>What this node changed is copied.</summary>
    Changes,

    /// <summary>What either has changed is copied.</summary>
    Union,

    /// <summary>Everything is copied.</summary>
    Everything,
}

/// <summary>One row of the table; null stands for anything.</summary>
/// <param name="RegisterAgrees">
/// The register says that this node owns the group and that the partner is stale.
/// </param>
/// <param name="Ours">This node's record, as far as it is about the partner's disk.</param>
/// <param name="Theirs">What the partner says of its own.</param>
/// <param name="Relation">How they stand.</param>
/// <param name="Kind">What is done.</param>
/// <param name="Why">In words.</param>
internal sealed record DivergenceRow(
    bool? RegisterAgrees, DiskHistory? Ours, DiskHistory? Theirs, Relation Relation,
    ResyncKind Kind, string Why)
{
    /// <summary>Whether the row is for these.</summary>
    public bool Covers(bool registerAgrees, DiskHistory ours, DiskHistory theirs) =>
        (RegisterAgrees ?? registerAgrees) == registerAgrees
        && (Ours ?? ours) == ours && (Theirs ?? theirs) == theirs;
}

/// <summary>
/// Rule S10: both histories and the register, and what follows from them. Each case is in exactly
/// one row. Pure.
/// </summary>
internal static class Divergence
{
    /// <summary>The table.</summary>
    public static IReadOnlyList<DivergenceRow> Table { get; } =
    [
        Row(false, null, null, Relation.Unknown, ResyncKind.Stop,
            "the register does not say that the partner is stale"),
        Row(true, DiskHistory.Foreign, null, Relation.Unknown, ResyncKind.Stop,
            "this node went alone under a term that the register has not reached"),
        Row(true, DiskHistory.None, DiskHistory.Foreign, Relation.Unknown, ResyncKind.Stop,
            "the partner went alone under a term that the register has not reached"),
        Row(true, DiskHistory.Unchanged, DiskHistory.Foreign, Relation.Unknown, ResyncKind.Stop,
            "the partner went alone under a term that the register has not reached"),
        Row(true, DiskHistory.Changed, DiskHistory.Foreign, Relation.Unknown, ResyncKind.Stop,
            "the partner went alone under a term that the register has not reached"),
        Row(true, DiskHistory.None, DiskHistory.None, Relation.Unknown, ResyncKind.Stop,
            "the partner has not said yet what is on its disk"),
        Row(true, DiskHistory.Unchanged, DiskHistory.None, Relation.Unknown, ResyncKind.Stop,
            "the partner has not said yet what is on its disk"),
        Row(true, DiskHistory.Changed, DiskHistory.None, Relation.Unknown, ResyncKind.Stop,
            "the partner has not said yet what is on its disk"),
        Row(true, DiskHistory.None, DiskHistory.Unchanged, Relation.Unrelated,
            ResyncKind.Everything, "this node's record is not about the partner's disk"),
        Row(true, DiskHistory.None, DiskHistory.Changed, Relation.Unrelated,
            ResyncKind.Everything, "this node's record is not about the partner's disk"),
        Row(true, DiskHistory.Unchanged, DiskHistory.Unchanged, Relation.Equal,
            ResyncKind.Sample, "neither disk has changed since both were in sync"),
        Row(true, DiskHistory.Changed, DiskHistory.Unchanged, Relation.Behind,
            ResyncKind.Changes, "the partner lacks what this node has changed"),
        Row(true, DiskHistory.Unchanged, DiskHistory.Changed, Relation.Ahead,
            ResyncKind.Union, "the partner has changes of its own that do not count"),
        Row(true, DiskHistory.Changed, DiskHistory.Changed, Relation.Fork,
            ResyncKind.Union, "both nodes have served alone; this one's changes count"),
    ];

    /// <summary>The row for a case.</summary>
    public static DivergenceRow Of(bool registerAgrees, DiskHistory ours, DiskHistory theirs) =>
        Table.Single(row => row.Covers(registerAgrees, ours, theirs));

    /// <summary>What this node's record is to a disk of the partner's.</summary>
    /// <param name="record">This node's record.</param>
    /// <param name="partnerDisk">The partner's disk as it is now.</param>
    /// <param name="term">The register's term.</param>
    public static DiskHistory Ours(ChangeRecord record, ulong partnerDisk, ulong term) =>
        record.IsOpen && record.Term > term ? DiskHistory.Foreign
        : partnerDisk == 0 || record.PairedWith != partnerDisk ? DiskHistory.None
        : record.Changed.Count > 0 ? DiskHistory.Changed
        : DiskHistory.Unchanged;

    /// <summary>What the partner says of its disk.</summary>
    /// <param name="partnerDisk">Id of the disk; 0 before it was told.</param>
    /// <param name="aloneUnder">Term under which it went alone and is so still; 0 if not.</param>
    /// <param name="term">The register's term.</param>
    public static DiskHistory Theirs(ulong partnerDisk, ulong aloneUnder, ulong term) =>
        partnerDisk == 0 ? DiskHistory.None
        : aloneUnder == 0 ? DiskHistory.Unchanged
        : aloneUnder > term ? DiskHistory.Foreign
        : DiskHistory.Changed;

    private static DivergenceRow Row(
        bool? agrees, DiskHistory? ours, DiskHistory? theirs, Relation relation,
        ResyncKind kind, string why) => new(agrees, ours, theirs, relation, kind, why);
}
