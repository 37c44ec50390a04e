using System.Text.Json.Nodes;

namespace StorageOs.NvramMirror;

/// <summary>This part: what people are shown.</summary>
internal sealed partial class GroupLog
{
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
