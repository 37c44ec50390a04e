// One node's connection manager core over simulated memory. Everything it asks for becomes an entry
// in the pair's one event queue; nothing here decides anything.
using System.Buffers.Binary;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Simulator;

/// <summary>A node of the pair; survives its boots.</summary>
internal sealed class SimulatedNode(SimulatedPair pair, string name, ulong systemId,
    ulong partnerId, byte[] key)
{
    private readonly byte[] page = new byte[StatusPage.PageBytes];
    private readonly List<CcmEffect> effects = [];
    private readonly Dictionary<string, ClientNeeds> clients = [];
    private ulong beat;

    public string Name { get; } = name;

    public CcmCore Core { get; private set; } = null!;

    public ulong Epoch { get; private set; }

    public uint Attempt { get; private set; }

    public bool PortOpen { get; private set; }

    public bool Watching { get; private set; }

    public ulong Inbox { get; set; }

    /// <summary>No turn is made before this.</summary>
    public Instant PausedUntil { get; set; }

    /// <summary>Sessions of which each client has been told and not yet told the end.</summary>
    public Dictionary<string, SessionId> Alerted { get; } = [];

    /// <summary>Every session that this node became ready in, by its boot.</summary>
    public HashSet<SessionId> ReadySessions { get; } = [];

    /// <summary>Versions the next boot speaks.</summary>
    public (ushort Min, ushort Max) Versions { get; set; } = (1, 1);

    public void Boot(IEnumerable<ClientNeeds> needs)
    {
        Epoch++;
        (Attempt, PortOpen, Watching, Inbox, beat) = (0, false, false, 0, 0);
        Array.Clear(page);
        Alerted.Clear();
        ReadySessions.Clear();
        clients.Clear();
        var self = new Identity(systemId, SimulatedPair.PairId, (systemId << 32) + Epoch);
        self.Write(page);
        Core = new(
            new CcmSettings
            {
                Name = Name,
                Self = self,
                PartnerSystemId = partnerId,
                PairKey = key,
                VersionMin = Versions.Min,
                VersionMax = Versions.Max,
                Beat = SimulatedPair.Beat,
            },
            pair.RandomOf(this),
            pair.Table?.Invoke());
        pair.Note(this, $"boots in epoch {Epoch}");
        foreach (ClientNeeds need in needs)
        {
            Load(need);
        }
    }

    public void Load(ClientNeeds needs)
    {
        clients[needs.Name] = needs;
        Deliver(new CcmEvent.ClientAdmitted(needs.Name, needs));
        Deliver(new CcmEvent.ClientStarted(needs.Name));
    }

    public void Unload(string client, string why)
    {
        _ = clients.Remove(client);
        Deliver(new CcmEvent.ClientRemoved(client, why));
    }

    public void Deliver(CcmEvent input)
    {
        Core.Step(input, pair.Now, effects);
        Carry();
    }

    public void Turn()
    {
        BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(StatusPage.BeatOffset), ++beat);
        Core.StepInbox(Inbox, pair.Now, effects);
        Carry();
        Deliver(CcmEvent.Tick.Instance);
    }

    public void DeliverStatus(ulong status, ulong beatCount, ulong consumed)
    {
        if (Watching)
        {
            Core.StepStatus(status, beatCount, consumed, pair.Now, effects);
            Carry();
        }
    }

    public void DeliverNothing()
    {
        Core.StepUnanswered(pair.Now, effects);
        Carry();
    }

    public ReadOnlySpan<byte> Page => page;

    /// <summary>Overwrites a word of this node's page, as no partner of ours would.</summary>
    public void Damage(int offset, ulong word) =>
        BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(offset), word);

    /// <summary>Puts another system's identity into the page.</summary>
    public void Impersonate(ulong otherSystemId) =>
        new Identity(otherSystemId, SimulatedPair.PairId, 77).Write(page);

    public ulong Word(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(page.AsSpan(offset));

    private void Carry()
    {
        CcmEffect[] all = [.. effects];
        effects.Clear();
        foreach (CcmEffect effect in all)
        {
            if (pair.Mutant?.Invoke(this, effect) != false)
            {
                Do(effect);
            }
        }
    }

    private void Do(CcmEffect effect)
    {
        switch (effect)
        {
            case CcmEffect.Moved e:
                pair.Note(this, $"{e.From} -> {e.To} ({e.By})");
                if (e.To == HandshakeState.Ready)
                {
                    pair.BecameReady(this);
                }

                break;
            case CcmEffect.OpenPort e:
                (Attempt, PortOpen, Inbox) = (e.Attempt, true, 0);
                pair.Opened(this);
                break;
            case CcmEffect.ClosePort:
                PortOpen = false;
                Watching = false;
                pair.Closed(this);
                break;
            case CcmEffect.PublishStatus e:
                BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(StatusPage.StatusOffset),
                    e.Word.Packed);
                break;
            case CcmEffect.PublishConsumed e:
                BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(StatusPage.ConsumedOffset),
                    e.Count);
                break;
            case CcmEffect.PublishRecord e:
                e.Frame.CopyTo(page.AsSpan(StatusPage.SlotOffset(e.Sequence)));
                break;
            case CcmEffect.WatchStatus e:
                Watching = e.On;
                break;
            case CcmEffect.SessionEnded e:
                pair.Note(this, $"session ended: {e.End.Reason}");
                break;
            case CcmEffect.FirstRead or CcmEffect.SecondRead:
            case CcmEffect.WriteInbox or CcmEffect.ReadRecord:
                pair.Post(this, effect);
                break;
            default:
                DoForClient(effect);
                break;
        }
    }

    private void DoForClient(CcmEffect effect)
    {
        switch (effect)
        {
            case CcmEffect.PrepareClient e:
                byte[][] addresses = [.. clients[e.Name].Ports.Select(_ => new byte[] { 1 })];
                pair.Later(this, new CcmEvent.ClientPrepared(e.Name, e.Session, addresses, []));
                break;
            case CcmEffect.ConnectClient e:
                pair.Later(this, new CcmEvent.ClientConnected(e.Name, e.Session));
                break;
            case CcmEffect.AlertReady e:
                Invariant.Require(Alerted.TryAdd(e.Name, e.Session));
                pair.Note(this, $"tells {e.Name} that the partner is ready");
                break;
            case CcmEffect.DropClient e:
                bool told = Alerted.Remove(e.Name, out SessionId session);
                Invariant.Require(told == e.Alerted && (!told || session == e.Session));
                if (e.Alerted)
                {
                    pair.Note(this, $"tells {e.Name} that the partner is lost: {e.End.Reason}");
                }

                pair.Later(this, new CcmEvent.ClientReclaimed(e.Name));
                break;
            default:
                break; // Ports at run time are not part of this simulation.
        }
    }
}
