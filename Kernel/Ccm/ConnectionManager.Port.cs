// Region 0 and the well-known port: posting the core's operations and turning completions into
// events. One scratch region takes what is read; each kind of read has its own place in it, and at
// most one of each kind is in flight, so nothing is overwritten before it was taken.
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Ccm;

internal sealed partial class ConnectionManager
{
    private const int HeadScratch = 0x000, InboxScratch = 0x400;
    private const int StatusScratch = 0x800, SlotScratch = 0x1000;
    private const int RingScratch = SlotScratch + StatusPage.SlotBytes;
    private const int ScratchBytes =
        RingScratch + (PartnerRing.SlotsPerRead * EventSlot.Bytes);
    private const ulong StatusToken = ulong.MaxValue;

    private readonly Completion[] completions = new Completion[32];
    private readonly Dictionary<ulong, Pending> pending = [];
    private IRegion? scratch;
    private IWellKnownPort? port;
    private uint portAttempt;
    private bool portConnected;
    private bool portFailed;
    private bool watching;
    private bool statusPending;
    private Instant statusDue;
    private ICompletionChannel? channel; // Of the port, where completions come after the post.
    private ulong inboxSeen;
    private ulong tokens;

    private enum PendingKind
    {
        FirstRead,
        SecondReadHead,
        SecondReadInbox,
        InboxWrite,
        RecordRead,
        RingRead,
    }

    private readonly record struct Pending(PendingKind Kind, uint Operation);

    /// <summary>This node's side of region 0; after the start.</summary>
    internal RegionZero Page { get; private set; } = null!;

    private void MapRegionZero()
    {
        IRegion page = transport!.Map(new("status", StatusPage.PageBytes, RemoteAccess.Read)
        {
            PresetAddress = wellKnown.LocalMemoryAddress,
        });
        const RemoteAccess Both = RemoteAccess.Read | RemoteAccess.Write;
        IRegion box = transport.Map(new("inbox", StatusPage.InboxBytes, Both)
        {
            PresetAddress = wellKnown.LocalMemoryAddress + StatusPage.PageBytes,
        });
        scratch = transport.Map(new("scratch", ScratchBytes, RemoteAccess.None));
        Page = new(page, box, settings.Self);
        recorder?.Attach(page);
    }

    private void OpenWellKnown(uint attempt)
    {
        CloseWellKnown();
        Page.ClearInbox();
        (portAttempt, portConnected, portFailed, inboxSeen) = (attempt, false, false, 0);
        try
        {
            port = transport!.OpenWellKnown(new(
                wellKnown.LocalPort, wellKnown.PartnerAddress, wellKnown.PartnerPort,
                wellKnown.PartnerMemoryAddress, settings.Role == Wire.PairRole.Low, Page.Page,
                Page.Inbox));
        }
        catch (RefusedException refused)
        {
            FailPort(SessionEndReason.EndpointGone, refused.Message, refused.Refusal);
        }
    }

    private void CloseWellKnown()
    {
        UseChannel(null);
        IWellKnownPort? closing = port;
        port = null;
        pending.Clear();
        (portConnected, statusPending, watching, ringReads) = (false, false, false, null);
        partnerRing?.Save();
        try
        {
            closing?.Dispose();
        }
        catch (RefusedException refused)
        {
            // As of a card that was pulled: a node that serves alone needs none. The next attempt
            // says what can be done about it.
            log.LogWarning("the well-known port could not be closed: {Refusal}", refused.Refusal);
        }
    }

    /// <summary>Asks for one more wake-up by the channel.</summary>
    private void ArmChannel()
    {
        try
        {
            channel?.Arm();
        }
        catch (RefusedException refused)
        {
            FailPort(SessionEndReason.EndpointGone, refused.Message, refused.Refusal);
        }
    }

    private void FailPort(SessionEndReason reason, string detail, Refusal? refusal = null)
    {
        if (!portFailed)
        {
            portFailed = true;
            UseChannel(null); // Nobody polls it any more, so it must not wake anybody.

            // Whichever way a failure was noticed: an exit is the one cause that proves a death.
            bool exited = portConnected && port is not null && port.Port.PartnerExited;
            reason = exited ? SessionEndReason.PartnerExited : reason;
            inbox.Enqueue(new CcmEvent.PortFailed(portAttempt, reason, detail, refusal));
        }
    }

    /// <summary>
    /// Looks at the port, its completions, our inbox and the clients' ports; whether anything was
    /// there.
    /// </summary>
    private bool PollPort(Instant now)
    {
        if (port is null || portFailed)
        {
            return false;
        }

        if (!TryPollWellKnown(port, out WellKnownState state))
        {
            return true;
        }

        bool progress = portConnected && TakeCompletions(now);
        if (port is null)
        {
            return true;
        }

        if (state == WellKnownState.Failed)
        {
            FailPort(
                ReasonOf(portConnected ? port.Port.State : PortState.PartnerGone), port.Detail);
            return true;
        }

        if (portConnected && TakeInbox(now))
        {
            return true;
        }

        CheckClientPorts(now);
        return progress || portFailed;
    }

    /// <summary>
    /// Makes progress on the port; false when it connected or failed, which the core is told.
    /// </summary>
    private bool TryPollWellKnown(IWellKnownPort of, out WellKnownState state)
    {
        state = WellKnownState.Failed;
        try
        {
            state = of.Poll();
            if (state != WellKnownState.Connected || portConnected)
            {
                return true;
            }

            UseChannel(of.Port as ICompletionChannel);
            portConnected = true;
            inbox.Enqueue(new CcmEvent.PortConnected(portAttempt));
        }
        catch (RefusedException refused)
        {
            // No descriptor left, the address gone in mid-dial: this attempt's matter alone.
            FailPort(SessionEndReason.EndpointGone, refused.Message, refused.Refusal);
        }

        return false;
    }

    private static SessionEndReason ReasonOf(PortState state) =>
        state == PortState.ClosedByPartner
            ? SessionEndReason.PartnerRestarted
            : SessionEndReason.EndpointGone;

    private bool TakeInbox(Instant now)
    {
        ulong word = Page.InboxWord;
        if (word == inboxSeen)
        {
            return false;
        }

        inboxSeen = word;
        core.StepInbox(word, now, effects);
        Carry(now);
        return true;
    }

    private bool TakeCompletions(Instant now)
    {
        int count = port!.Port.Poll(completions);
        for (int i = 0; i < count && port is not null; i++)
        {
            Completion done = completions[i];
            if (done.Status != CompletionStatus.Success)
            {
                FailPort(
                    done.Status == CompletionStatus.PortClosed
                        ? ReasonOf(port.Port.State) : SessionEndReason.EndpointGone,
                    $"an operation on the well-known port failed: {done.Status}");
                return true;
            }

            if (done.Token == StatusToken)
            {
                TakeStatus(now);
            }
            else if (pending.Remove(done.Token, out Pending what))
            {
                Take(what);
            }
        }

        return count > 0;
    }

    private void Take(Pending what)
    {
        switch (what.Kind)
        {
            case PendingKind.FirstRead:
                inbox.Enqueue(new CcmEvent.FirstReadDone(
                    what.Operation, Copy(HeadScratch, StatusPage.HeadBytes)));
                break;
            case PendingKind.SecondReadInbox:
                inbox.Enqueue(new CcmEvent.SecondReadDone(
                    what.Operation, Copy(HeadScratch, StatusPage.HeadBytes), Word(InboxScratch)));
                break;
            case PendingKind.InboxWrite:
                inbox.Enqueue(new CcmEvent.InboxWritten(what.Operation));
                break;
            case PendingKind.RecordRead:
                inbox.Enqueue(new CcmEvent.RecordRead(
                    what.Operation, Copy(SlotScratch, StatusPage.SlotBytes)));
                break;
            case PendingKind.RingRead:
                TakeRing();
                break;
            case PendingKind.SecondReadHead:
            default:
                break; // The inbox read posted behind it completes the second read.
        }
    }

    private void TakeStatus(Instant now)
    {
        statusPending = false;
        if (watching)
        {
            core.StepStatus(
                Word(StatusScratch), Word(StatusScratch + 8), Word(StatusScratch + 16), now,
                effects);
            Carry(now);
            FollowRing();
        }
    }

    private void UseChannel(ICompletionChannel? of)
    {
        channel = of;
        bell?.Watch(of?.Descriptor);
        of?.Arm();
    }

    /// <summary>
    /// Once in a turn's period, and half of it at least after the last: a turn that a completion
    /// began must not post what will begin the next.
    /// </summary>
    private void WatchStatus(Instant now)
    {
        if (!watching || !portConnected || portFailed || now < statusDue)
        {
            return;
        }

        statusDue = now + (settings.Beat.Period / 2);
        if (statusPending)
        {
            core.StepUnanswered(now, effects);
            Carry(now);
        }
        else
        {
            statusPending = true;
            Posted(port!.Port.TryPostRead(
                StatusToken, scratch!, StatusScratch, port.PartnerPage, StatusPage.StatusOffset,
                StatusPage.StatusBytes));
            _ = TakeCompletions(now);
        }
    }

    private ulong Word(int offset) => Volatile.Read(
        ref MemoryMarshal.AsRef<ulong>(scratch!.Bytes[offset..]));

    private byte[] Copy(int offset, int length) => scratch!.Bytes.Slice(offset, length).ToArray();

    private ulong Await(PendingKind kind, uint operation)
    {
        pending[++tokens] = new(kind, operation);
        return tokens;
    }

    private void PostFirstRead(uint operation) => Posted(port!.Port.TryPostRead(
        Await(PendingKind.FirstRead, operation), scratch!, HeadScratch, port.PartnerPage, 0,
        StatusPage.HeadBytes));

    private void PostSecondRead(uint operation)
    {
        Posted(port!.Port.TryPostRead(
            Await(PendingKind.SecondReadHead, operation), scratch!, HeadScratch,
            port.PartnerPage, 0, StatusPage.HeadBytes));
        Posted(port.Port.TryPostRead(
            Await(PendingKind.SecondReadInbox, operation), scratch!, InboxScratch,
            port.PartnerInbox, StatusPage.InboxWordOffset, sizeof(ulong)));
    }

    private void PostInboxWord(uint operation, InboxWord word) =>
        Posted(port!.Port.TryPostWriteWord(
            Await(PendingKind.InboxWrite, operation), word.Packed, port.PartnerInbox,
            StatusPage.InboxWordOffset));

    private void PostRecordRead(uint operation, ulong sequence) => Posted(port!.Port.TryPostRead(
        Await(PendingKind.RecordRead, operation), scratch!, SlotScratch,
        port.PartnerPage, StatusPage.SlotOffset(sequence), StatusPage.SlotBytes));

    /// <summary>
    /// The core keeps few operations in flight: a full port means one that completes nothing.
    /// </summary>
    private void Posted(bool accepted)
    {
        if (!accepted)
        {
            FailPort(
                SessionEndReason.EndpointGone, "the well-known port completes nothing any more");
        }
    }
}

/// <summary>Our side of region 0: what the partner reads of us, and the word it writes.</summary>
internal sealed class RegionZero
{
    /// <summary>Writes the identity of this boot.</summary>
    public RegionZero(IRegion page, IRegion inbox, Identity self)
    {
        (Page, Inbox) = (page, inbox);
        self.Write(page.Bytes[StatusPage.IdentityOffset..]);
    }

    /// <summary>Readable by the partner.</summary>
    public IRegion Page { get; }

    /// <summary>Writable by the partner.</summary>
    public IRegion Inbox { get; }

    /// <summary>The word the partner writes.</summary>
    public ulong InboxWord => Volatile.Read(ref Word(Inbox, StatusPage.InboxWordOffset));

    /// <summary>Before an attempt: nothing of an earlier one stands.</summary>
    public void ClearInbox() => Volatile.Write(ref Word(Inbox, StatusPage.InboxWordOffset), 0);

    /// <summary>The word that moves while this node is well.</summary>
    public ref ulong BeatWord => ref Word(Page, StatusPage.BeatOffset);

    /// <summary>Sets the status word.</summary>
    public void PublishStatus(StatusWord word) =>
        Volatile.Write(ref Word(Page, StatusPage.StatusOffset), word.Packed);

    /// <summary>Declares that this node is failing; the last thing it says.</summary>
    public void PublishPanic()
    {
        StatusWord word = StatusWord.Unpack(Volatile.Read(ref Word(Page, StatusPage.StatusOffset)));
        PublishStatus(word with { Boot = BootPhase.Panicked });
    }

    /// <summary>Tells how many of the partner's records are done with.</summary>
    public void PublishConsumed(ulong count) =>
        Volatile.Write(ref Word(Page, StatusPage.ConsumedOffset), count);

    /// <summary>
    /// Puts a record into its slot; the first sequence number last, so that a half-written one is
    /// not taken.
    /// </summary>
    public void PublishRecord(ulong sequence, ReadOnlySpan<byte> frame)
    {
        int slot = StatusPage.SlotOffset(sequence);
        Volatile.Write(ref Word(Page, slot), 0);
        frame[sizeof(ulong)..].CopyTo(Page.Bytes[(slot + sizeof(ulong))..]);
        Volatile.Write(ref Word(Page, slot), BinaryPrimitives.ReadUInt64LittleEndian(frame));
    }

    private static ref ulong Word(IRegion region, int offset) =>
        ref MemoryMarshal.AsRef<ulong>(region.Bytes[offset..]);
}
