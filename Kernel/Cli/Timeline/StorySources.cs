using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Cli.Timeline;

/// <summary>Asks the nodes of a pair for what they know of each other.</summary>
internal static class StorySources
{
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(5);

    /// <summary>Asks both nodes at once.</summary>
    public static async Task<IReadOnlyList<StorySource>> AskAsync(
        PairLayout pair, CancellationToken cancellation, TimeSpan? limit = null)
    {
        (JsonNode? Document, string Reason)[] answers = await Task.WhenAll(
            PairLayout.Names.Select(name => AskAsync(
                pair.Socket(name), limit ?? AnswerTimeMax, cancellation)));
        return [.. PairLayout.Names.Select((name, index) => StorySource.Of(
            name, answers[index].Reason, answers[index].Document, answers[1 - index].Document))];
    }

    private static async Task<(JsonNode? Document, string Reason)> AskAsync(
        string socket, TimeSpan limit, CancellationToken cancellation)
    {
        try
        {
            return (
                await NodeClient.AskAsync(socket, "events", null, limit, cancellation), "");
        }
        catch (RefusedException refused)
        {
            return (null, refused.Refusal.Actual);
        }
    }
}
