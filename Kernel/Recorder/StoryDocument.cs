using System.Globalization;
using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Recorder;

/// <summary>The story of a pair as a document.</summary>
internal static class StoryDocument
{
    /// <summary>
    /// What one node knows of both: its own events, and its partner's as far as it has read them.
    /// The answer to the management command <c>timeline</c>.
    /// </summary>
    /// <param name="events">The answer to <c>events</c>.</param>
    public static JsonObject Of(JsonObject events)
    {
        StorySource own = StorySource.Of($"{events["name"]}", "", events, null);
        StorySource partner = StorySource.Of($"{events["partner"]}", "", null, events);
        Story story = Story.Of(own.Name, own.Events, partner.Name, partner.Events);
        return new JsonObject
        {
            ["reference"] = story.Clock.Reference,
            ["events"] = new JsonArray([.. story.Events.Select(Of)]),
        };
    }

    /// <summary>One event with its place in the story.</summary>
    public static JsonObject Of(StoryEvent of)
    {
        JsonObject one = RecorderDocument.Of(of.What);
        one.Insert(0, "time", Time(of));
        one.Insert(1, "node", of.Node);
        return one;
    }

    /// <summary>When it was, by the clock that the story is told by.</summary>
    public static string Time(StoryEvent of) =>
        of.Time.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture);
}
