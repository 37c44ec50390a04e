using System.Text;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.Ownership.Tests.Model;

/// <summary>
/// Two nodes, a register and the violence between them, in one thread from one seed.
/// </summary>
internal sealed class ModelPair
{
    private const int WritesMax = 60;
    private readonly Random random;
    private readonly List<Action> later = [];
    private readonly StringBuilder? story;
    private ulong acked;
    private int writes;
    private uint sessions;
    private long milliseconds;
    private RegisterEntry? seal;

    public ModelPair(int seed, bool tell = false, bool noWitness = false, bool moves = false)
    {
        NoWitness = noWitness;
        random = new Random(seed);
        story = tell ? new StringBuilder() : null;
        Register = new ModelRegister(random);
        Next = moves ? new ModelRegister(random) : null;
        if (moves)
        {
            // Continuations run where they are completed: one thread, and a seed is a seed.
            SynchronizationContext.SetSynchronizationContext(null);
        }

        Nodes = [new ModelNode(this, 1), new ModelNode(this, 2)];
    }

    public ModelNode[] Nodes { get; }

    /// <summary>Called between any two things that happen while all is quiet.</summary>
    public Action Between { get; set; } = static () => { };

    /// <summary>S13: each node keeps the register itself.</summary>
    public bool NoWitness { get; }

    /// <summary>The register's entry; without a witness the later of the nodes' own.</summary>
    public RegisterEntry? Entry => NoWitness
        ? Nodes.Select(static node => node.Latest).MaxBy(static e => e?.Term.Value ?? 0)
        : Register.Entry is not { Sync: SyncState.Moved } sealing ? Register.Entry
        : Moved ? Next!.Entry
        : sealing with { Sync = SyncState.InSync };

    /// <summary>Whether the register lives in the next place.</summary>
    public bool Moved => Next?.Entry is { Sync: not SyncState.Moved };

    /// <summary>Whether this write or read of a node's own record fails.</summary>
    public bool DiskFails(bool often = false) =>
        Register.Faulty && random.Next(often ? 2 : 25) == 0;

    /// <summary>What was appended and not acknowledged is, once both copies hold it (S7).</summary>
    public void AcknowledgeWaiting(ModelNode node)
    {
        acked |= node.Waiting;
        node.Waiting = 0;
    }

    public ModelRegister Register { get; }

    /// <summary>Where the register can move to; null when nowhere.</summary>
    public ModelRegister? Next { get; }

    public Instant Now => new(milliseconds * 1_000_000);

    public string Story => story?.ToString() ?? "";

    public Guid NewId()
    {
        byte[] bytes = new byte[16];
        random.NextBytes(bytes);
        return new Guid(bytes);
    }

    public void Write(string line) => story?.Append(line).Append('\n');

    public void Later(Action action) => later.Add(action);

    /// <summary>One random step, faults included; the invariants are checked after it.</summary>
    public void Step()
    {
        milliseconds += random.Next(12) == 0 ? random.Next(400) : random.Next(3);
        ModelNode node = Nodes[random.Next(2)];
        switch (random.Next(40))
        {
            case < 8:
                node.Run();
                break;
            case < 15:
                Register.Advance();
                break;
            case < 21:
                node.Look();
                break;
            case < 27:
                Tick(node);
                break;
            case < 30:
                Land();
                break;
            case < 34 when random.Next(node.Role == LogRole.Resyncing ? 2 : 8) == 0:
                Append(node);
                break;
            case > 36:
                Violence(node);
                break;
            default:
                break;
        }

        if (Next is not null)
        {
            StepMove(node);
        }

        Check();
    }

    /// <summary>Two places have twice as much under way, and operators who move.</summary>
    private void StepMove(ModelNode node)
    {
        Next!.Advance();
        Land();
        switch (random.Next(60))
        {
            case < 8:
                Write($"{node.Name} is asked to move the register");
                node.Move();
                break;
            case 8:
                Next.Answers = random.Next(3) != 0;
                break;
            default:
                break;
        }
    }

    /// <summary>No more faults: everything runs, fairly, for that many rounds.</summary>
    public void Settle(int rounds)
    {
        foreach (ModelRegister register in Registers)
        {
            register.Answers = true;
            register.Faulty = false;
        }

        for (int round = 0; round < rounds; round++)
        {
            milliseconds += 10;
            Array.ForEach(
                Nodes, static node => node.Paused = node.HeldOff = node.DiskFailed = false);
            foreach (ModelNode node in Nodes)
            {
                if (node.Core is null && round > 5)
                {
                    node.Start();
                }
            }

            if (Nodes[0].Session != Nodes[1].Session)
            {
                Array.ForEach(
                    Nodes, static node => node.LeaveSession(SessionEndReason.PartnerRestarted));
            }

            Connect();
            Quiet();
        }
    }

    /// <summary>Lets what is under way run to its end without a fault or a new session.</summary>
    public void Quiet()
    {
        Array.ForEach(Registers, static register => register.Faulty = false);
        for (int turn = 0; turn < 12; turn++)
        {
            foreach (ModelNode node in Nodes)
            {
                node.Run();
                Between();
                node.Look();
                Between();
                Tick(node);
            }

            Register.Advance();
            Between();
            Land();
            Between();
            Next?.Advance();
            if (Next is not null)
            {
                Land();
            }

            Check();
        }
    }

    private ModelRegister[] Registers => Next is null ? [Register] : [Register, Next];

    public void Pass(int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            milliseconds += 10;
            Quiet();
        }
    }

    public void Connect()
    {
        if (Nodes.All(static n => n.Core is not null && n.Session is null && !n.Paused))
        {
            SessionId session = new(1, 2, ++sessions, sessions);
            Write("session");
            Array.ForEach(Nodes, n => n.JoinSession(session));
        }
    }

    public void Append(ModelNode node)
    {
        // Mirrored acknowledgements come in order: none before those that are late.
        if (node.CanAnswer && !node.Paused && node.Role != LogRole.Frozen && writes < WritesMax
            && (node.Role != LogRole.Mirrored || node.Late == 0))
        {
            ulong bit = 1UL << writes++;
            node.Copy |= bit;
            if (node.Role == LogRole.Mirrored && random.Next(4) == 0)
            {
                node.Waiting |= bit; // On its way to the partner, when the world may end.
                Later(() => LandWaiting(node, bit));
                return;
            }

            if (node.Role == LogRole.Mirrored && node.PartnerOffered)
            {
                node.Other.Copy |= bit;
            }
            else if (node.Role == LogRole.Resyncing && node.PartnerOffered)
            {
                node.Late |= bit;
                Later(() => LandLate(node, bit));
            }

            acked |= bit;
        }
    }

    private void LandWaiting(ModelNode node, ulong bit)
    {
        if ((node.Waiting & bit) != 0 && node.Role == LogRole.Mirrored && node.CanAnswer)
        {
            node.Waiting &= ~bit;
            node.Other.Copy |= bit;
            acked |= bit;
        }
    }

    private void LandLate(ModelNode node, ulong bit)
    {
        if ((node.Late & bit) != 0 && random.Next(8) != 0)
        {
            Later(() => LandLate(node, bit)); // Slow, or no seed would see what depends on it.
        }
        else if ((node.Late & bit) != 0 && node.PartnerOffered)
        {
            node.Late &= ~bit;
            node.Other.Copy |= bit;
        }
        else if ((node.Late & bit) != 0)
        {
            node.FailMirror(); // A write that cannot land fails the mirror, as a beat does.
        }
    }

    private static void Tick(ModelNode node)
    {
        if (!node.Paused && node.Core is not null && !node.HasWork)
        {
            node.Post(new PartnerSeen(
                node.Other.Core is null ? PartnerCondition.Dead : PartnerCondition.Serving));
        }
    }

    private void Land()
    {
        if (later.Count > 0)
        {
            int index = random.Next(later.Count);
            Action one = later[index];
            later.RemoveAt(index);
            one();
        }
    }

    private void Violence(ModelNode node)
    {
        switch (random.Next(15))
        {
            case < 5:
                Connect();
                break;
            case 5 when NoWitness && random.Next(2) == 0:
                Die(node);
                break;
            case 5:
                Kill(node);
                break;
            case < 8 when node.Core is null:
                node.Start();
                break;
            case 8:
                node.Paused = !node.Paused;
                break;
            case 9:
                node.LeaveSession(SessionEndReason.BeatStill);
                break;
            case 10:
                Nodes[0].LeaveSession(SessionEndReason.EndpointGone);
                Nodes[1].LeaveSession(SessionEndReason.EndpointGone);
                break;
            case 11:
                Register.Answers = random.Next(3) != 0;
                break;
            case 12 when node.Core is not null:
                node.Post(new TakeoverAsked((ulong)random.Next(1, 1000)));
                break;
            case 13 when random.Next(3) == 0:
                Forget(node);
                break;
            case 14:
                DiskViolence(node);
                break;
            default:
                break;
        }
    }

    private void DiskViolence(ModelNode node)
    {
        switch (random.Next(6))
        {
            case 0 when node.Role == LogRole.Passive && HasAll(node.Other):
                // L2: the copy is found damaged while it follows.
                node.Copy = 0;
                node.Forgot = node.Damaged = true;
                break;
            case 1:
                GiveUpPartner(node, !node.HeldOff);
                break;
            case 2:
                node.DiskFailed = !node.DiskFailed;
                break;
            default:
                break;
        }
    }

    /// <summary>L4: the partner's disk stood still while the log filled; or may be over.</summary>
    public static void GiveUpPartner(ModelNode node, bool held)
    {
        node.HeldOff = held;
        if (held && node.Core is not null)
        {
            node.FailMirror();
        }
    }

    private bool HasAll(ModelNode node) => (node.Copy & acked) == acked && !node.Forgot;

    public static void Kill(ModelNode node)
    {
        if (node.Core is not null)
        {
            node.Crash();
            node.Other.LeaveSession(SessionEndReason.PartnerExited);
        }
    }

    /// <summary>A process whose death is told while it still runs for a moment.</summary>
    private void Die(ModelNode node)
    {
        if (node.Core is not null)
        {
            Write($"{node.Name} is dying");
            node.Other.LeaveSession(SessionEndReason.PartnerExited);
            Later(() => Kill(node));
        }
    }

    /// <summary>
    /// A machine loses its power; never the last that holds what was acknowledged.
    /// </summary>
    private void Forget(ModelNode node)
    {
        if (HasAll(node.Other))
        {
            Kill(node);
            node.Copy = node.Waiting = 0;
            node.Forgot = node.Damaged = true;
            node.HasRecords = false;
            if (NoWitness && random.Next(4) == 0)
            {
                node.ReplaceDisk();
            }
        }
    }

    private void Check()
    {
        ModelNode a = Nodes[0];
        ModelNode b = Nodes[1];
        Require(!(a.CanAnswer && b.CanAnswer), "S2: both nodes could answer");
        foreach (ModelNode node in Nodes)
        {
            if (node.CanAnswer)
            {
                Require(
                    (node.Copy & acked) == acked,
                    $"{node.Name} serves without what was acknowledged");
            }

            bool stale = Entry is { Sync: SyncState.Stale } e && e.StaleNode == node.Id;
            Require(!(stale && node.CanAnswer), $"S2: {node.Name} serves and is stale");
        }

        if (Next is not null)
        {
            CheckMove();
        }
    }

    private void CheckMove()
    {
        Require(
            !Moved || Register.Entry is { Sync: SyncState.Moved },
            "the register lives in two places");
        Require(seal is null || seal == Register.Entry, "a sealed register was changed");
        seal = Register.Entry is { Sync: SyncState.Moved } ? Register.Entry : null;
    }

    private static void Require(bool holds, string what)
    {
        if (!holds)
        {
            throw new BrokenRuleException(what);
        }
    }
}

/// <summary>A rule of design §9 does not hold.</summary>
public sealed class BrokenRuleException(string what) : Exception(what);
