// Both nodes' events in one order. Each node's own order is certain; between the two it is what
// they share that counts: a node is ready in a session only after the other has begun it, and an
// entry of the register is known only after it was swapped in. Wall time decides only what these
// leave open, and it is one clock's: the other's boots are laid beside it where both were ready in
// one session, so that clocks that disagree by hours, or were set meanwhile, move nothing.
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Kernel.Recorder;

/// <summary>An event in the story of a pair.</summary>
/// <param name="Node">Whose it is.</param>
/// <param name="What">The event.</param>
/// <param name="Time">When, by the reference node's clock.</param>
internal sealed record StoryEvent(string Node, RecordedEvent What, DateTimeOffset Time);

/// <summary>A change of the register.</summary>
/// <param name="Group">The group.</param>
/// <param name="Term">The term that it began.</param>
/// <param name="Owner">Who owns the group from then on.</param>
/// <param name="Sync">How both copies stand.</param>
/// <param name="By">Who swapped; empty when none of the events that are left says it.</param>
/// <param name="Intent">What for; empty likewise.</param>
/// <param name="First">The first event that tells of it.</param>
internal sealed record RegisterChange(
    GroupId Group, ulong Term, string Owner, string Sync, string By, string Intent,
    StoryEvent First);

/// <summary>The events of two nodes, in order.</summary>
internal sealed class Story
{
    private Story(IReadOnlyList<StoryEvent> events, StoryClock clock)
    {
        (Events, Clock) = (events, clock);
        Register = [.. events.Where(IsOfRegister)
            .GroupBy(of => (of.What.Group!.Value, of.What.Term))
            .Select(Change)
            .OrderBy(change => change.Group.Value).ThenBy(change => change.Term)];
    }

    /// <summary>All events.</summary>
    public IReadOnlyList<StoryEvent> Events { get; }

    /// <summary>Every change of the register that either node tells of, once.</summary>
    public IReadOnlyList<RegisterChange> Register { get; }

    /// <summary>How the nodes' clocks stand to each other.</summary>
    public StoryClock Clock { get; }

    /// <summary>Merges what is known of two nodes; each list in the node's own order.</summary>
    public static Story Of(
        string firstName, IReadOnlyList<RecordedEvent> first,
        string secondName, IReadOnlyList<RecordedEvent> second)
    {
        // The node that was up for longest has the steadiest clock.
        bool secondLeads = first.Count == 0
            || (second.Count > 0 && Boots(second) < Boots(first));
        StoryClock clock = secondLeads
            ? new StoryClock(secondName, second, firstName, first)
            : new StoryClock(firstName, first, secondName, second);
        StoryEvent[] left = [.. first.Select(what => clock.Place(firstName, what))];
        StoryEvent[] right = [.. second.Select(what => clock.Place(secondName, what))];
        return new(Merge(left, right, After(left, right), After(right, left)), clock);
    }

    /// <summary>Whether an event tells of an entry of the register.</summary>
    public static bool IsOfRegister(StoryEvent of) => of.What is { Group: not null, Term: > 0 }
        && of.What.Name is EventNames.RegisterSeen or EventNames.RegisterSwapped;

    private static int Boots(IReadOnlyList<RecordedEvent> events) =>
        events.Select(what => what.Epoch).Distinct().Count();

    private static List<StoryEvent> Merge(
        StoryEvent[] left, StoryEvent[] right, int[] leftAfter, int[] rightAfter)
    {
        List<StoryEvent> all = [];
        int l = 0, r = 0;
        while (l < left.Length || r < right.Length)
        {
            bool takeLeft = r == right.Length;
            if (l < left.Length && r < right.Length)
            {
                bool leftWaits = leftAfter[l] >= r;
                bool rightWaits = rightAfter[r] >= l;
                takeLeft = leftWaits == rightWaits
                    ? left[l].Time <= right[r].Time : rightWaits;
            }

            all.Add(takeLeft ? left[l++] : right[r++]);
        }

        return all;
    }

    /// <summary>
    /// For each of <paramref name="ours"/> the last of <paramref name="theirs"/> that was before
    /// it; -1 when nothing tells.
    /// </summary>
    private static int[] After(StoryEvent[] ours, StoryEvent[] theirs)
    {
        Dictionary<SessionId, int> begun = [];
        for (int i = theirs.Length - 1; i >= 0; i--)
        {
            if (theirs[i].What.Session is { } session)
            {
                begun[session] = i;
            }
        }

        int[] after = new int[ours.Length];
        for (int i = 0; i < ours.Length; i++)
        {
            RecordedEvent what = ours[i].What;
            after[i] = what.Name switch
            {
                EventNames.SessionReady when what.Session is { } session =>
                    begun.GetValueOrDefault(session, -1),
                EventNames.RegisterSeen => LastSwap(theirs, what, what.Term),
                EventNames.RegisterSwapped => LastSwap(theirs, what, what.Term - 1),
                _ => -1,
            };
        }

        return after;
    }

    private static int LastSwap(StoryEvent[] theirs, RecordedEvent ours, ulong termMax) =>
        Array.FindLastIndex(theirs, of => of.What.Name == EventNames.RegisterSwapped
            && of.What.Group == ours.Group && of.What.Term <= termMax);

    private static RegisterChange Change(IGrouping<(GroupId Group, ulong Term), StoryEvent> told)
    {
        StoryEvent? swap = told.FirstOrDefault(
            of => of.What.Name == EventNames.RegisterSwapped);
        StoryEvent best = swap ?? told.First();
        return new(
            told.Key.Group, told.Key.Term, best.What.Fact("owner"), best.What.Fact("sync"),
            swap?.Node ?? "", swap?.What.Fact("intent") ?? "", told.First());
    }
}
