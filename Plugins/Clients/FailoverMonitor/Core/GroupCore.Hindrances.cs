using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

/// <content>
/// What hinders this node from taking the group over, live: looked at after each event, so that
/// each hindrance has an age; put into words only when somebody asks.
/// </content>
internal sealed partial class GroupCore
{
    private static readonly HindranceCode[] Codes = Enum.GetValues<HindranceCode>();

    private readonly Instant?[] hinderedSince = new Instant?[Codes.Length];
    private IReadOnlyList<HandoverVeto> vetoes = [];
    private string overrides = "";
    private bool logNearlyFull;
    private bool mayTake;

    /// <summary>Whether a planned takeover by this node could begin now.</summary>
    public bool MayTake => mayTake;

    /// <summary>Whether the owner offers the group to its home, which is this node.</summary>
    public bool IsOffered =>
        options.Home == options.Self && partner is { Offers: true } && Known is not null
        && !OwnerBy(Known);

    /// <summary>Whether the partner says that nothing on it hinders a takeover by it.</summary>
    public bool PartnerMayTake => partner is { MayTake: true };

    /// <summary>Whether a module of either node has something against a planned move.</summary>
    public bool HasVetoes => vetoes.Count > 0 || PartnerVetoes.Count > 0;

    /// <summary>Vetoes of the partner's that it has told in this session.</summary>
    public IReadOnlyList<HandoverVeto> PartnerVetoes => partner?.Vetoes ?? [];

    /// <summary>Everything that hinders this node now; empty when it could take over.</summary>
    /// <param name="clock">Wall clock, for the age of vetoes.</param>
    public IReadOnlyList<Hindrance> TakeoverHindrances(DateTimeOffset clock)
    {
        List<Hindrance> all = [];
        foreach (HindranceCode code in Codes)
        {
            if (hinderedSince[(int)code] is Instant since)
            {
                (string what, string remedy) = Say(code);
                all.Add(new Hindrance(code, what, now - since, remedy));
            }
        }

        AddVetoes(all, vetoes, "", clock);
        AddVetoes(all, PartnerVetoes, $"{options.PartnerName}'s ", clock);
        return all;
    }

    /// <summary>
    /// Whether a name is among those whose vetoes are overridden, by a list with commas.
    /// </summary>
    internal static bool IsOverridden(string who, string names) =>
        names.Length > 0 && names.Split(',').Contains(who, StringComparer.Ordinal);

    private static void AddVetoes(
        List<Hindrance> all, IReadOnlyList<HandoverVeto> some, string whose, DateTimeOffset clock)
    {
        foreach (HandoverVeto veto in some)
        {
            // The clock that stamped it may be the partner's.
            TimeSpan age = clock > veto.Since ? clock - veto.Since : TimeSpan.Zero;
            all.Add(new Hindrance(
                HindranceCode.Vetoed, $"{whose}{veto.Who} has a veto: {veto.Why}", age,
                $"{veto.Remedy}; or --override {veto.Who}", veto.Who));
        }
    }

    /// <summary>S14: the first veto of either node that whoever asks does not override.</summary>
    private HandoverVeto? StandingVeto(string overridden) =>
        vetoes.Concat(PartnerVetoes).FirstOrDefault(veto => !IsOverridden(veto.Who, overridden));

    private void NoteHindrances()
    {
        mayTake = Known is not null && !OwnerBy(Known) && !HasVetoes;
        foreach (HindranceCode code in Codes)
        {
            bool holds = Hinders(code);
            ref Instant? since = ref hinderedSince[(int)code];
            since = holds ? since ?? now : null;
            mayTake &= !holds || Hindrance.ScopeOf(code) == HindranceScope.Failover;
        }
    }

    private bool Hinders(HindranceCode code) => code switch
    {
        HindranceCode.RegisterRefused => distrust.Length > 0,
        HindranceCode.RegisterUnread => Known is null,
        HindranceCode.WitnessUnavailable => Witness == ReadOutcome.Unavailable,
        HindranceCode.Forgot => forgot,
        HindranceCode.SwapUndecided => Undecided,
        HindranceCode.NeverInSync => Known?.Sync == SyncState.New,
        HindranceCode.Stale =>
            Known?.Sync == SyncState.Stale && Known.StaleNode == options.Self,
        HindranceCode.RecordFault => recordFault.Length > 0,
        HindranceCode.FenceFault => fenceFault.Length > 0,
        HindranceCode.NoPartnerRecord => options.NoWitness && !options.CanReadPartner,
        _ => (Known is null || !OwnerBy(Known)) && HindersPlanned(code),
    };

    private bool HindersPlanned(HindranceCode code) => code switch
    {
        HindranceCode.NoSession => session is null,
        HindranceCode.PartnerUnheard => session is not null && partner is null && !otherRules,
        HindranceCode.RulesDiffer => otherRules,
        HindranceCode.PartnerUndecided => partner is { Undecided: not SwapIntent.None },
        HindranceCode.OwnerNotMirrored => partner is { Role: not LogRole.Mirrored },
        HindranceCode.DiskFailed => diskFailed,
        HindranceCode.LogNearlyFull => logNearlyFull,
        _ => false, // A veto has an age of its own.
    };

    private (string What, string Remedy) Say(HindranceCode code) => code switch
    {
        HindranceCode.RegisterRefused =>
            (distrust, "put the pair's own register back; see docs/OPERATIONS.md"),
        HindranceCode.RegisterUnread =>
            ($"register not read: {WitnessDetail}", "bring the witness back"),
        HindranceCode.WitnessUnavailable =>
            ($"the witness does not answer: {WitnessDetail}", "bring the witness back"),
        HindranceCode.Forgot => (
            "this node's log may lack what it once acknowledged",
            $"it is copied to by {options.PartnerName} in a session"),
        HindranceCode.SwapUndecided => (
            $"a swap to term {memory.IntentTerm} is undecided",
            "ends by itself once the witness answers"),
        HindranceCode.NeverInSync => (
            "the register is new, both nodes have never been in sync",
            $"start {options.PartnerName} and wait for InSync"),
        HindranceCode.Stale =>
            ("this node is stale", $"start {options.PartnerName} and wait for InSync"),
        HindranceCode.RecordFault => (recordFault, "make room in the data directory"),
        HindranceCode.FenceFault => (fenceFault, "see the log of this node"),
        HindranceCode.NoPartnerRecord => (
            "no `partnerRecord`: never by itself, for nobody tells who went on alone",
            "configure `partnerRecord`, or force when you know"),
        _ => SayPlanned(code),
    };

    private (string What, string Remedy) SayPlanned(HindranceCode code) => code switch
    {
        HindranceCode.NoSession => (
            $"no session with {options.PartnerName}, which is {condition}",
            condition == PartnerCondition.Serving
                ? "see session and clients in status: keys and versions must match"
                : $"start {options.PartnerName}"),
        HindranceCode.PartnerUnheard => (
            $"{options.PartnerName} has said nothing in this session yet", "wait a moment"),
        HindranceCode.RulesDiffer =>
            (WhyOtherRules, "give both nodes the same `witness` of failover-monitor"),
        HindranceCode.PartnerUndecided => (
            $"a swap of {options.PartnerName} ({partner?.Undecided}) is undecided",
            "ends by itself once the witness answers"),
        HindranceCode.OwnerNotMirrored => (
            $"{options.PartnerName}, the owner, is {partner?.Role}",
            $"see why in the status of {options.PartnerName}"),
        HindranceCode.DiskFailed =>
            ("this node's disk has failed", "replace it and start this node again"),
        _ => (
            "this node's log is nearly full: its disk is behind",
            "wait, or see what its disk waits for"),
    };
}
