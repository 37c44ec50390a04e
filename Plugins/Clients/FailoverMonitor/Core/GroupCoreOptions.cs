using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

/// <summary>What is constant for a group in one boot.</summary>
internal sealed record GroupCoreOptions(
    GroupId Group, ulong Self, ulong Partner, string PartnerName, ulong Home, Func<Guid> NewId)
{
    /// <summary>
    /// S13: there is no witness; each node keeps the register's entry in a record of its own.
    /// </summary>
    public bool NoWitness { get; init; }

    /// <summary>S13: this node knows where its partner's record is.</summary>
    public bool CanReadPartner { get; init; } = true;

    /// <summary>
    /// S13: time before a dead partner's record that could not be read is read again.
    /// </summary>
    public TimeSpan RecordRetry { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>
    /// How long a partner that nobody has declared dead may stay away before it counts as gone.
    /// </summary>
    public TimeSpan AwayGrace { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long a failed mirror may wait for the end of its session, which tells the reason.
    /// </summary>
    public TimeSpan FailedGrace { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// Time between two reads of the register by a lone owner (S9) or one that waits.
    /// </summary>
    public TimeSpan PollWaiting { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Time between two reads of the register when all is well; for status only.</summary>
    public TimeSpan PollSteady { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Time before a register operation or a log operation that failed is tried again.
    /// </summary>
    public TimeSpan Retry { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>How long an answered read counts as "just answered" (S3).</summary>
    public TimeSpan Fresh { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// How long an owner whose disk fails waits after a register that did not answer, before it
    /// tries again to hand over.
    /// </summary>
    public TimeSpan SilenceRetry { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a planned takeover may take before its request is withdrawn.</summary>
    public TimeSpan RequestLimit { get; init; } = TimeSpan.FromSeconds(30);
}
