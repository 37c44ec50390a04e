using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.NvramMirror;

/// <summary>This part: what people are shown.</summary>
internal sealed partial class GroupLog
{
    private Instant fullSince;
    private ulong fullAt;
    private bool toldStalled;

    /// <summary>
    /// Tells when writes have waited for room for a while in which none was freed. A log that is
    /// full under a load that its disk keeps up with is no news.
    /// </summary>
    public void WatchRoom(Instant now)
    {
        bool full = refusedAsFull && generationStarted;
        if (!full || freedHead != fullAt)
        {
            (fullSince, fullAt) = (now, freedHead);
            if (toldStalled && !full)
            {
                toldStalled = false;
                MirrorEvents.LogFlows.Raise(logger, Group);
            }
        }
        else if (!toldStalled && now - fullSince >= Limits.StallTold)
        {
            toldStalled = true;
            MirrorEvents.LogStalled.Raise(logger, Group, (now - fullSince).TotalSeconds);
        }
    }

    /// <summary>The group's part of the status section "log".</summary>
    public JsonObject Report() => new()
    {
        ["group"] = Group.Value,
        ["role"] = Role.ToString(),
        ["logId"] = header.LogId.ToString(),
        ["generation"] = cursor.Generation,
        ["head"] = head,
        ["tail"] = cursor.End,
        ["acknowledged"] = acked,
        ["flushed"] = Flushed.Value,
        ["flushedOnBoth"] = FlushedOnBoth.Value,
        ["partnerFlushed"] = partnerFlushed,
        ["capacityBytes"] = capacity,
        ["usedBytes"] = cursor.End - head,
        ["forgot"] = facts?.Forgot ?? true,
        ["forgotWhy"] = facts?.ForgotWhy ?? "not started",
        ["offerFault"] = offerFault,
        ["partnerOffered"] = PartnerOffered,
        ["partnerHeldOff"] = heldOff is not null,
        ["partnerFailed"] = PartnerFailed,
        ["partnerFailedWhy"] = FailedWhy,
    };
}
