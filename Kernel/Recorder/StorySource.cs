using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Recorder;

/// <summary>
/// What is known of one node: from itself when it answers, and from its partner in any case.
/// </summary>
/// <param name="Name">The node.</param>
/// <param name="Answers">Whether it answers.</param>
/// <param name="Reason">Why it does not; empty when it does.</param>
/// <param name="Events">Its events, in its own order, each once.</param>
/// <param name="OwnCount">How many it tells itself.</param>
/// <param name="KeptCount">How many its partner knows.</param>
/// <param name="Damaged">Slots of either copy that hold no event.</param>
/// <param name="Now">Its clocks at the moment of its answer.</param>
internal sealed record StorySource(
    string Name, bool Answers, string Reason, IReadOnlyList<RecordedEvent> Events, int OwnCount,
    int KeptCount, int Damaged, RecordedEvent? Now)
{
    /// <summary>Puts together what a node and its partner say of the node.</summary>
    public static StorySource Of(
        string name, string reason, JsonNode? itself, JsonNode? partner)
    {
        EventRing own = RecorderDocument.Ring(itself?["own"]);
        EventRing kept = RecorderDocument.Ring(partner?["kept"]);
        RecordedEvent[] all = [.. own.Events.Concat(kept.Events)
            .DistinctBy(what => (what.Epoch, what.Sequence))
            .OrderBy(what => what.Epoch).ThenBy(what => what.Sequence)];
        return new(
            name, itself is not null, reason, all, own.Events.Count, kept.Events.Count,
            own.Damaged + kept.Damaged,
            itself?["now"] is { } now ? RecorderDocument.Event(now) : null);
    }
}
