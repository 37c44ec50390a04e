// The connection manager's core as the partner can drive it: by what stands in the memory that is
// read of it and in the one word that it writes. An input is a list of what the partner does, each
// a kind, a length and bytes; between two, time passes and what the core asked for is answered.
// Sealed records are sealed here with the pair's key, for a partner that has the key may send
// anything, too.
using System.Buffers.Binary;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Fuzz.Targets;

/// <summary>What a partner can do to a session.</summary>
internal sealed class SessionTarget : Target
{
    /// <inheritdoc/>
    public override string Name => "session";

    /// <inheritdoc/>
    public override int BytesMax => 2048;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.Kernel.Ccm.Wire"];

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 2_000_000 + (16_384L * bytes);

    /// <inheritdoc/>
    public override long StepsMax(int bytes) => 500_000 + (10_000L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        byte[] begun = [.. Deed(SessionPartner.Does.Honest), .. Deed(SessionPartner.Does.Honest)];
        yield return begun;
        byte[] all = begun;
        foreach (Message message in MessageTarget.Each(PlanHash))
        {
            byte[] said = Deed(SessionPartner.Does.Sealed, Codec.Write(message));
            yield return [.. begun, .. said];
            all = [.. all, .. said];
        }

        yield return all;
        yield return [.. Deed(SessionPartner.Does.Clear, Codec.Write(PeerInfoTarget.Of("b", 2)))];
        yield return [.. begun, .. Deed(SessionPartner.Does.Status, new byte[24])];
        yield return [.. begun, .. Deed(SessionPartner.Does.Inbox, new byte[8])];
        yield return [.. Deed(SessionPartner.Does.Page, [0, .. new byte[64]]), .. begun];
        yield return [.. begun, .. Deed(SessionPartner.Does.Raw, new byte[40])];
        yield return [.. all, .. Deed(SessionPartner.Does.Ask, [1])];
        yield return [.. all, .. Deed(SessionPartner.Does.Ask, [48]), .. begun];
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        using SessionPartner partner = new();
        while (input.Length >= 2)
        {
            int length = Math.Min(input[1], input.Length - 2);
            partner.Do((SessionPartner.Does)(input[0] % 8), input.Slice(2, length));
            input = input[(2 + length)..];
        }
    }

    private static uint PlanHash =>
        ResourcePlan.Hash(MessageTarget.Ours, MessageTarget.Ours, version: 2);

    private static byte[] Deed(SessionPartner.Does what, ReadOnlySpan<byte> bytes = default) =>
        [(byte)what, (byte)bytes.Length, .. bytes];
}

/// <summary>A core, and a partner that does what an input says.</summary>
internal sealed class SessionPartner : IDisposable
{
    private const int RoundsMax = 24, ReadsMax = 4;
    private static readonly byte[] Key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
    private static readonly PeerInfo Info = PeerInfoTarget.Of("b", 2);
    private static readonly byte[] InfoBytes = Codec.Write(Info);
    private static readonly ClientNeeds Needs = new(
        "alpha", new(1, 2), [new("port", 8)],
        [new("memory", 4096, RemoteAccess.Write) { OfferedOnRequest = true }]);

    private readonly CcmCore core;
    private readonly byte[] head = new byte[StatusPage.HeadBytes];
    private readonly byte[] slot = new byte[StatusPage.SlotBytes];
    private List<CcmEffect> effects = [];
    private Instant now;
    private InboxWord word;
    private StatusWord status = new(BootPhase.Serving, HandshakePhase.None, 1, 0);
    private byte[]? ourInfo;
    private Sealer? sealer;
    private ulong records;
    private ulong beat;
    private ulong asked;
    private ulong published;
    private uint? pendingRead;
    private int reads;
    private bool watched;

    /// <summary>What a partner can do.</summary>
    internal enum Does
    {
        /// <summary>Its next record is what it should be, as far as that is fixed.</summary>
        Honest,

        /// <summary>Its next record has these bytes, sealed.</summary>
        Sealed,

        /// <summary>Its next record has these bytes as they are.</summary>
        Clear,

        /// <summary>Its next record's slot holds just these bytes.</summary>
        Raw,

        /// <summary>Its status words are these.</summary>
        Status,

        /// <summary>It writes this word into the inbox.</summary>
        Inbox,

        /// <summary>Its page holds these bytes from an offset on.</summary>
        Page,

        /// <summary>Not the partner: a client asks, or time passes.</summary>
        Ask,
    }

    /// <summary>Boots the core, with one client.</summary>
    public SessionPartner()
    {
        core = new CcmCore(
            new CcmSettings
            {
                Name = "a",
                Self = new Identity(1, Info.PairId, 5),
                PartnerSystemId = Info.SystemId,
                PairKey = Key,
            },
            new NoRandom());
        Step(new CcmEvent.ClientAdmitted(Needs.Name, Needs));
        Step(new CcmEvent.ClientStarted(Needs.Name));
        new Identity(Info.SystemId, Info.PairId, Info.BootEpoch).Write(head);
    }

    /// <summary>Does something, and lets the core go on until it rests.</summary>
    public void Do(Does what, ReadOnlySpan<byte> bytes)
    {
        reads = 0;
        switch (what)
        {
            case Does.Honest:
                Go();
                byte[] payload = records switch
                {
                    0 => InfoBytes,
                    1 when ourInfo is not null => Proof().Of(PairRole.High),
                    _ => [],
                };
                Say(payload);
                break;
            case Does.Sealed:
                if (sealer is null && ourInfo is not null)
                {
                    sealer = Proof().Sealer(PairRole.High);
                }

                Say(sealer is null ? bytes : sealer.Seal(records + 1, bytes));
                break;
            case Does.Clear:
                Say(bytes);
                break;
            case Does.Raw:
                slot.AsSpan().Clear();
                bytes.CopyTo(slot);
                records++;
                break;
            case Does.Status when bytes.Length >= 24:
                core.StepStatus(Word(bytes), Word(bytes[8..]), Word(bytes[16..]), now, effects);
                break;
            case Does.Inbox when bytes.Length >= 8:
                core.StepInbox(Word(bytes), now, effects);
                break;
            case Does.Page when bytes.Length > 1:
                SpoilPage(bytes[0], bytes[1..]);
                break;
            default:
                AskOrWait(bytes);
                break;
        }

        Go();
        Promise.Require(
            core.Refusal is null or { Subject.Length: > 0, Expected.Length: > 0 },
            "a refusal says of what, and what was expected");
    }

    /// <summary>Stops the core, so that what it holds is given back.</summary>
    public void Dispose()
    {
        Step(new CcmEvent.StopAsked("the end of the input"));
        sealer?.Dispose();
    }

    private PairProof Proof() => new(Key, word.Tag, ourInfo, InfoBytes);

    private void Say(ReadOnlySpan<byte> payload)
    {
        slot.AsSpan().Clear();
        Record.Frame(++records, payload).CopyTo(slot.AsSpan());
    }

    private void SpoilPage(int offset, ReadOnlySpan<byte> bytes)
    {
        int count = Math.Min(bytes.Length, head.Length - offset);
        bytes[..Math.Max(0, count)].CopyTo(head.AsSpan(offset));
        if ((offset & 1) == 0)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(
                head.AsSpan(60), Crc32C.Of(head.AsSpan(0, 60)));
        }
    }

    private void AskOrWait(ReadOnlySpan<byte> bytes)
    {
        int what = bytes.Length > 0 ? bytes[0] : 0;
        switch (what & 3)
        {
            case 0:
                now += TimeSpan.FromMilliseconds(32 * what);
                break;
            case 1:
                Step(new CcmEvent.PortAsked(Needs.Name, "port", (what & 4) != 0, ++asked));
                break;
            case 2 when core.Session is { } session:
                Step(new CcmEvent.RegionOffered(Needs.Name, "memory", session, null));
                break;
            default:
                Step(new CcmEvent.ReconnectAsked("a client asks for it"));
                break;
        }
    }

    /// <summary>Turns, with everything answered that is asked, until nothing is.</summary>
    private void Go()
    {
        for (int round = 0; round < RoundsMax; round++)
        {
            now += TimeSpan.FromMilliseconds(1);
            Step(CcmEvent.Tick.Instance);
            core.StepInbox(new InboxWord(word.Tag, Level()).Packed, now, effects);
            if (watched)
            {
                status = status with { Handshake = HandshakePhase.Confirmed, Tag = word.Tag };
                core.StepStatus(status.Packed, ++beat, published, now, effects);
            }

            if (pendingRead is { } operation && reads < ReadsMax)
            {
                (pendingRead, reads) = (null, reads + 1);
                Step(new CcmEvent.RecordRead(operation, slot));
            }

            if (!Answer())
            {
                return;
            }
        }
    }

    private uint Level() => status.Handshake >= HandshakePhase.Confirmed
        ? InboxWord.Confirmed + (uint)records : InboxWord.Seen;

    /// <summary>Answers what the core asked for; false when that was nothing.</summary>
    private bool Answer()
    {
        bool any = false;
        while (effects.Count > 0)
        {
            List<CcmEffect> all = effects;
            effects = [];
            foreach (CcmEffect effect in all)
            {
                any |= Answer(effect);
            }
        }

        return any;
    }

    private bool Answer(CcmEffect effect)
    {
        switch (effect)
        {
            case CcmEffect.OpenPort e:
                (watched, ourInfo, records, pendingRead) = (false, null, 0, null);
                sealer?.Dispose();
                sealer = null;
                status = new StatusWord(BootPhase.Serving, HandshakePhase.None, 1, 0);
                Step(new CcmEvent.PortConnected(e.Attempt));
                return true;
            case CcmEffect.FirstRead e:
                Step(new CcmEvent.FirstReadDone(e.Operation, Head()));
                return true;
            case CcmEffect.SecondRead e:
                status = status with { Handshake = HandshakePhase.Seen, Tag = word.Tag };
                Step(new CcmEvent.SecondReadDone(e.Operation, Head(), word.Packed));
                return true;
            case CcmEffect.WriteInbox e:
                word = e.Word;
                Step(new CcmEvent.InboxWritten(e.Operation));
                return false;
            case CcmEffect.ReadRecord e:
                pendingRead = e.Operation;
                return true;
            case CcmEffect.PublishRecord e:
                published = e.Sequence;
                if (published == 1)
                {
                    _ = Record.Unframe(1, e.Frame, out ReadOnlyMemory<byte> payload);
                    ourInfo = payload.ToArray();
                }

                return true;
            case CcmEffect.WatchStatus e:
                watched = e.On;
                return true;
            default:
                return AnswerForClient(effect);
        }
    }

    private bool AnswerForClient(CcmEffect effect)
    {
        CcmEvent? answer = effect switch
        {
            CcmEffect.PrepareClient e =>
                new CcmEvent.ClientPrepared(e.Name, e.Session, [[1]], []),
            CcmEffect.ConnectClient e => new CcmEvent.ClientConnected(e.Name, e.Session),
            CcmEffect.DropClient e => new CcmEvent.ClientReclaimed(e.Name),
            CcmEffect.PreparePort e =>
                new CcmEvent.PortPrepared(e.Client, e.Port, e.Generation, [2]),
            _ => null,
        };
        if (answer is not null)
        {
            Step(answer);
        }

        return answer is not null;
    }

    private ReadOnlyMemory<byte> Head()
    {
        BinaryPrimitives.WriteUInt64LittleEndian(
            head.AsSpan(StatusPage.StatusOffset), status.Packed);
        return head;
    }

    private void Step(CcmEvent input) => core.Step(input, now, effects);

    private static ulong Word(ReadOnlySpan<byte> bytes) =>
        BinaryPrimitives.ReadUInt64LittleEndian(bytes);

    /// <summary>One nonce is as good as another here.</summary>
    private sealed class NoRandom : IRandomSource
    {
        public void Fill(Span<byte> bytes) => bytes.Fill(9);

        public double NextDouble() => 0.5;
    }
}
