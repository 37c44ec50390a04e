// The partner's flight recorder. While a session stands the number of its events is read with its
// beat, and each that is new by one more read: so this node holds them on every transport when the
// partner dies. Where the transport's memory outlives its owner, what is left is taken then.
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Ccm;

internal sealed partial class ConnectionManager
{
    private readonly FlightRecorder? recorder;
    private readonly PartnerRing? partnerRing;
    private ulong? ringReads; // The first event of the read in flight.
    private int ringReadCount;
    private bool ringIsPartners; // A page at a preset address is anybody's before the proof.
    private PartnerCondition toldCondition;
    private byte[]? ringOfLost;

    /// <summary>Posts a read of what the partner has recorded since.</summary>
    private void FollowRing()
    {
        if (partnerRing is null || ringReads is not null || !ringIsPartners || !portConnected
            || portFailed || core.State is not (HandshakeState.Ready or HandshakeState.Watching)
            || port!.PartnerPage.Region.Length < StatusPage.PageBytes)
        {
            return;
        }

        ulong recorded = Word(StatusScratch + StatusPage.RecordedOffset - StatusPage.StatusOffset);
        if (recorded != 0 && partnerRing.Next(recorded) is { } next)
        {
            (ringReads, ringReadCount) = (next.From, next.Count);
            Posted(port.Port.TryPostRead(
                Await(PendingKind.RingRead, 0), scratch!, RingScratch, port.PartnerPage,
                StatusPage.RingOffset + EventSlot.OffsetOf(next.From),
                next.Count * EventSlot.Bytes));
        }
    }

    private void TakeRing()
    {
        if (ringReads is { } from)
        {
            ringReads = null;
            partnerRing!.Take(
                from, scratch!.Bytes.Slice(RingScratch, ringReadCount * EventSlot.Bytes));
        }
    }

    /// <summary>
    /// At the end of a session, before its port is closed: the last that the partner recorded.
    /// </summary>
    private void KeepRing()
    {
        if (partnerRing is not null && ringIsPartners && portConnected)
        {
            ringOfLost ??= new byte[EventSlot.RingBytes];
            if (port!.PartnerPage is ISurvivingMemory memory
                && port.PartnerPage.Region.Length >= StatusPage.PageBytes
                && memory.TryCopy(StatusPage.RingOffset, ringOfLost))
            {
                partnerRing.TakeAll(ringOfLost);
            }

            partnerRing.Save();
        }

        ringIsPartners = core.State == HandshakeState.Watching;
        toldCondition = PartnerCondition.Dead;
    }

    /// <summary>What the partner looks like, told once as long as it stays so.</summary>
    private void NoteCondition(PartnerCondition condition)
    {
        bool near = core.Session is not null || core.State == HandshakeState.Watching;
        if (near && condition != toldCondition)
        {
            toldCondition = condition;
            KernelEvents.PartnerCondition.Raise(log, condition);
        }
    }
}
