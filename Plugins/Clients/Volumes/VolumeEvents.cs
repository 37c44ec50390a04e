using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Volumes.Core;

namespace StorageOs.Volumes;

/// <summary>The events of volumes: resync, scrub and their disks.</summary>
[EventCatalogue]
internal static class VolumeEvents
{
    public static readonly NodeEvent<GroupId, Relation, ResyncKind, string> ResyncDecided = new(
        "resync-decided", EventSeverity.Information,
        "{Group}: the partner's disk is {Relation}; to do: {Kind}; {Why}")
    {
        Cause = "the partner is back and it was looked at what its disk lacks",
        Remedy = "none; a full copy where a partial one was expected says why",
    };

    public static readonly NodeEvent<GroupId, long, long, long> ResyncStarted = new(
        "resync-started", EventSeverity.Notice,
        "{Group}: resync copies {Copy} bytes and compares {Compare} of {Total}")
    {
        Cause = "the partner's copy is made equal while clients go on",
        Remedy = "none; `status` shows how far it is",
    };

    public static readonly NodeEvent<GroupId, long, long, long> ResyncDone = new(
        "resync-done", EventSeverity.Notice,
        "{Group}: resync ended, good: {Copied} bytes copied, {Compared} compared,"
        + " {Mismatches} differed")
    {
        Cause = "the partner's copy is equal",
        Remedy = "none",
    };

    public static readonly NodeEvent<GroupId, long, long, long> ResyncFailed = new(
        "resync-failed", EventSeverity.Warning,
        "{Group}: resync ended, not good: {Copied} bytes copied, {Compared} compared,"
        + " {Mismatches} differed")
    {
        Cause = "the partner was lost meanwhile, or its disk does not keep what it is given; the"
            + " group is served alone and it begins anew",
        Remedy = "when the partner is there and it repeats, replace the partner's disk",
    };

    public static readonly NodeEvent<GroupId, string, long, long, string> CopyDiffers = new(
        "copy-differs", EventSeverity.Warning,
        "{Group}: the partner's {Volume} differs at {Offset}, {Length} bytes; {Done}")
    {
        Cause = "a sample taken during a resync differs where nothing was changed: the partner's"
            + " disk lost or spoilt something",
        Remedy = "the extent is copied again; when it repeats, replace the partner's disk",
    };

    public static readonly NodeEvent<GroupId, string> RecordTold = new(
        "change-record", EventSeverity.Information, "{Group}: {Why}")
    {
        Cause = "the record of what this node changed alone was made anew, lost, or is of another"
            + " disk: the next resync copies everything",
        Remedy = "none",
    };

    public static readonly NodeEvent<GroupId, string, long, long> ScrubRepaired = new(
        "scrub-repaired", EventSeverity.Warning,
        "{Group}: scrub: {Volume} differs at {Offset}, {Length} bytes; repaired from this node's,"
        + " which is as both were")
    {
        Cause = "the partner's disk holds something that nobody wrote there",
        Remedy = "none for the data; look at the partner's disk, and replace it when it repeats",
    };

    public static readonly NodeEvent<GroupId, string, long, long, string> ScrubUnresolved = new(
        "scrub-unresolved", EventSeverity.Error,
        "{Group}: scrub: {Volume} differs at {Offset}, {Length} bytes; {Why}: nothing was"
        + " repaired, see docs/OPERATIONS.md")
    {
        Cause = "both copies differ and it is not known that the owner's is as both were",
        Remedy = "look at the volume with its own tools; see OPERATIONS, Scrub",
    };

    public static readonly NodeEvent<GroupId, string, long, long> ScrubUnreadable = new(
        "scrub-unreadable", EventSeverity.Error,
        "{Group}: scrub: {Volume} cannot be read here at {Offset}, {Length} bytes: not"
        + " compared; look at this node's disk")
    {
        Cause = "a media error of this node's disk",
        Remedy = "move the group to the partner and replace this node's disk",
    };

    public static readonly NodeEvent<GroupId, long, long> ScrubPassed = new(
        "scrub-passed", EventSeverity.Information,
        "{Group}: scrub: a pass has ended; since the boot {Repaired} extents were"
        + " repaired and {Unresolved} could not be")
    {
        Cause = "every extent of the group's volumes was compared once",
        Remedy = "none",
    };
}
