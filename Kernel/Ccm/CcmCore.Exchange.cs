// What two connected nodes say to each other, as records in their outboxes: peer info and proof in
// the clear, everything after sealed. The inbox word says how many records stand; a record's slot
// is used again only when the partner says that it is done with what lay there.
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Kernel.Ccm;

internal sealed partial class CcmCore
{
    private readonly Queue<Message> waiting = new();
    private ulong published;
    private ulong partnerConsumed;
    private ulong consumed;
    private uint recordOperation;
    private bool recordPending;
    private int tornRecords;
    private byte[] ourInfo = [];
    private PeerInfo? ourPeerInfo;
    private PairProof? proof;
    private Sealer? sealOut;
    private Sealer? sealIn;

    /// <summary>What the partner said of itself in this session; null before.</summary>
    public PeerInfo? PartnerInfo { get; private set; }

    private void BeginSession()
    {
        bool low = settings.Role == PairRole.Low;
        Session = low
            ? new(settings.Self.BootEpoch, partner.BootEpoch, attempt, partnerAttempt)
            : new(partner.BootEpoch, settings.Self.BootEpoch, partnerAttempt, attempt);
        Detail = "exchanging peer information";
        byte[] nonce = new byte[PeerInfo.NonceBytes];
        random.Fill(nonce);
        ourPeerInfo = new(
            settings.VersionMin, settings.VersionMax, settings.Build, settings.Name,
            settings.Self.SystemId, settings.Self.PairId, settings.Self.BootEpoch, nonce,
            settings.Persistence);
        ourInfo = Codec.Write(ourPeerInfo);
        Publish(ourInfo);
    }

    /// <summary>Nothing of a session's exchange outlives it.</summary>
    private void ForgetExchange()
    {
        waiting.Clear();
        (published, partnerConsumed, consumed, tornRecords, recordPending) = (0, 0, 0, 0, false);
        recordOperation = ++operation;
        sealOut?.Dispose();
        sealIn?.Dispose();
        (sealOut, sealIn, proof, PartnerInfo, ourPeerInfo) = (null, null, null, null, null);
    }

    private void Publish(ReadOnlySpan<byte> payload)
    {
        published++;
        effects.Add(new CcmEffect.PublishRecord(published, Record.Frame(published, payload)));
        WriteLevel();
    }

    private void WriteLevel()
    {
        rewriteAt = now + RewriteDelay;
        effects.Add(new CcmEffect.WriteInbox(++operation, InboxWord.Published(tag, published)));
    }

    /// <summary>
    /// While the partner has not taken everything, say again how much there is: harmless, for
    /// levels only grow.
    /// </summary>
    private void Rewrite()
    {
        if (partnerConsumed < published)
        {
            WriteLevel();
        }
    }

    private void Send(Message message)
    {
        waiting.Enqueue(message);
        Flush();
    }

    private void Flush()
    {
        while (sealOut is not null && waiting.Count > 0
            && published - partnerConsumed < StatusPage.SlotCount)
        {
            byte[] plain = Codec.Write(waiting.Dequeue());
            Publish(sealOut.Seal(published + 1, plain));
        }
    }

    private void OnConsumed(ulong count)
    {
        if (count > partnerConsumed && count <= published)
        {
            partnerConsumed = count;
            Flush();
        }
    }

    private void ReadNextRecord()
    {
        if (!recordPending && inbox.Tag == tag && inbox.Records > consumed)
        {
            recordPending = true;
            recordOperation = ++operation;
            effects.Add(new CcmEffect.ReadRecord(recordOperation, consumed + 1));
        }
    }

    private void OnRecordRead(ReadOnlyMemory<byte> slot)
    {
        recordPending = false;
        if (Session is null)
        {
            return;
        }

        Refusal? refusal = Record.Unframe(consumed + 1, slot, out ReadOnlyMemory<byte> payload);
        if (refusal is not null)
        {
            if (++tornRecords > TornReadsMax)
            {
                Refuse(refusal);
                return;
            }

            ReadNextRecord();
            return;
        }

        tornRecords = 0;
        consumed++;
        effects.Add(new CcmEffect.PublishConsumed(consumed));
        refusal = consumed switch
        {
            1 => TakePeerInfo(payload),
            2 => TakeProof(payload.Span),
            _ => TakeSealed(payload.Span),
        };
        if (refusal is not null)
        {
            Refuse(refusal);
        }
        else if (Session is not null)
        {
            ReadNextRecord();
        }
    }

    private Refusal? TakePeerInfo(ReadOnlyMemory<byte> payload)
    {
        Refusal? refusal = Codec.Read(payload, out PeerInfo? theirs);
        refusal ??= PeerInfo.Agree(ourPeerInfo!, theirs!, out _);
        if (refusal is null
            && (theirs!.SystemId != partner.SystemId || theirs.BootEpoch != partner.BootEpoch))
        {
            refusal = new(
                "partner's peer info", $"system {partner.SystemId:x} in boot {partner.BootEpoch:x}",
                $"system {theirs.SystemId:x} in boot {theirs.BootEpoch:x}");
        }

        if (refusal is not null)
        {
            return refusal;
        }

        PartnerInfo = theirs;
        bool low = settings.Role == PairRole.Low;
        byte[] their = payload.ToArray();
        proof = new(settings.PairKey, tag, low ? ourInfo : their, low ? their : ourInfo);
        if (Fire(Trigger.PeerInfoAgreed))
        {
            Detail = "proving the pair key";
            Publish(proof.Of(settings.Role));
        }

        return null;
    }

    private Refusal? TakeProof(ReadOnlySpan<byte> payload)
    {
        PairRole theirs = settings.Role == PairRole.Low ? PairRole.High : PairRole.Low;
        if (proof!.Check(theirs, payload) is { } refusal)
        {
            return refusal;
        }

        sealOut = proof.Sealer(settings.Role);
        sealIn = proof.Sealer(theirs);
        if (Fire(Trigger.ProofAccepted))
        {
            Detail = "passing client information";
            SendEdition();
        }

        return null;
    }

    private Refusal? TakeSealed(ReadOnlySpan<byte> payload)
    {
        Refusal? refusal = sealIn!.Open(consumed, payload, out byte[] plain);
        refusal ??= Codec.Read(plain, out Message? message) ?? TakeMessage(message!);
        return refusal;
    }
}
