using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

// Who decides that a group goes home by itself? The node that has it away from home. It is the one
// that lives while home dies, comes back and dies again, so what it remembers in memory alone is
// enough to see that: when it restarts, home takes over anyway. Home only hears that the group is
// offered, and asks for it as an operator would (S14). Nothing here bears on safety: what is
// offered at the wrong time is refused, or moves in good order.

/// <summary>When a group that is away from home goes back by itself.</summary>
/// <param name="After">How long nothing may stand against it first; zero for never.</param>
/// <param name="Window">
/// A takeover from home within this time after a giveback says that the giveback was too early.
/// </param>
/// <param name="RoundsMax">
/// So many of these in a row, and no more are tried until <paramref name="Latch"/> has passed.
/// </param>
/// <param name="Latch">How long that is.</param>
internal sealed record GivebackSettings(
    TimeSpan After, TimeSpan Window, int RoundsMax, TimeSpan Latch)
{
    /// <summary>Never.</summary>
    public static GivebackSettings Off { get; } =
        new(TimeSpan.Zero, TimeSpan.FromHours(1), 3, TimeSpan.FromDays(1));
}

/// <summary>What the owner of a group sees that bears on giving it back.</summary>
/// <param name="Entry">The register's entry; null when not known.</param>
/// <param name="Mirrored">This node serves the group with its partner.</param>
/// <param name="HomeMayTake">Home says that nothing hinders it.</param>
/// <param name="Vetoed">A module of either node has something against it.</param>
internal readonly record struct GivebackFacts(
    RegisterEntry? Entry, bool Mirrored, bool HomeMayTake, bool Vetoed);

/// <summary>Where a group away from home stands.</summary>
internal enum GivebackState
{
    /// <summary>It is at home, or not this node's.</summary>
    None,

    /// <summary>Not configured.</summary>
    Off,

    /// <summary>An operator took it here, and it stays.</summary>
    Held,

    /// <summary>It has come back too often.</summary>
    Latched,

    /// <summary>Both copies are not in sync, or home is away.</summary>
    NotInSync,

    /// <summary>A veto stands.</summary>
    Vetoed,

    /// <summary>Home says that something hinders it.</summary>
    HomeHindered,

    /// <summary>Nothing stands against it; the delay runs.</summary>
    Waiting,

    /// <summary>Home may ask for it.</summary>
    Offered,
}

/// <summary>
/// Decides on the owner when a group goes home by itself. Pure: told the time, no I/O.
/// </summary>
internal sealed class Giveback(GivebackSettings settings, ulong self, ulong home)
{
    private bool owned;
    private bool held;
    private Instant? gaveAt;
    private Instant? clearSince;
    private Instant? latchedUntil;

    /// <summary>Where it stands.</summary>
    public GivebackState State { get; private set; }

    /// <summary>How often in a row a giveback was followed by a takeover.</summary>
    public int Rounds { get; private set; }

    /// <summary>When the state ends by itself; null when it does not.</summary>
    public Instant? Until { get; private set; }

    /// <summary>How long nothing may stand against it, with the back-off.</summary>
    public TimeSpan Delay => settings.After * Math.Pow(2, Rounds);

    /// <summary>
    /// An operator moved the group here: it stays until it is moved again, whoever asks.
    /// </summary>
    public void Hold() => (held, Rounds, latchedUntil) = (true, 0, null);

    /// <summary>Looks at the facts; to be called at least a few times a second.</summary>
    public void Step(in GivebackFacts facts, Instant now)
    {
        bool away = facts.Entry is { } entry && entry.Owner == self && home != self;
        if (away != owned)
        {
            owned = away;
            if (away)
            {
                Took(now);
            }
            else
            {
                Gave(facts.Entry, now);
            }
        }

        if (latchedUntil <= now)
        {
            latchedUntil = null;
            Rounds = 0;
        }

        State = !away ? GivebackState.None : Judge(facts);
        clearSince = State == GivebackState.Waiting ? clearSince ?? now : null;
        Until = State == GivebackState.Latched ? latchedUntil : clearSince + Delay;
        if (State == GivebackState.Waiting && Until <= now)
        {
            State = GivebackState.Offered;
            Until = null;
        }
    }

    private GivebackState Judge(in GivebackFacts facts) =>
        settings.After <= TimeSpan.Zero ? GivebackState.Off
        : held ? GivebackState.Held
        : latchedUntil is not null ? GivebackState.Latched
        : !facts.Mirrored || facts.Entry!.Sync != SyncState.InSync ? GivebackState.NotInSync
        : facts.Vetoed ? GivebackState.Vetoed
        : !facts.HomeMayTake ? GivebackState.HomeHindered
        : GivebackState.Waiting;

    /// <summary>
    /// Taken from a home that was lost, or handed over by one whose disk fails: either says that it
    /// is not well, and only <see cref="Hold"/> that somebody wanted it so.
    /// </summary>
    private void Took(Instant now)
    {
        bool soon = gaveAt is { } gave && now - gave <= settings.Window;
        Rounds = soon && !held ? Rounds + 1 : 0;
        if (Rounds >= settings.RoundsMax)
        {
            latchedUntil = now + settings.Latch;
        }
    }

    private void Gave(RegisterEntry? entry, Instant now)
    {
        held = false;
        latchedUntil = null;
        gaveAt = entry?.Sync == SyncState.InSync ? now : null;
    }
}
