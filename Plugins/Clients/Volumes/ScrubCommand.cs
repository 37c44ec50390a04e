using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>
/// <c>scrub</c>: begins now to compare both copies of each group that this node owns in sync; says
/// for each group whether it has, and if not why.
/// </summary>
internal sealed class ScrubCommand(VolumesClient client) : IOperatorCommand
{
    /// <inheritdoc/>
    public string Name => "scrub";

    /// <inheritdoc/>
    public ValueTask<JsonNode?> RunAsync(JsonObject arguments, CancellationToken cancellation)
    {
        JsonArray groups = [];
        foreach (GroupId group in GroupId.All)
        {
            string why = client.Scrub(group);
            groups.Add(new JsonObject
            {
                ["group"] = group.Value,
                ["started"] = why.Length == 0,
                ["why"] = why,
            });
        }

        return ValueTask.FromResult<JsonNode?>(new JsonObject { ["groups"] = groups });
    }
}
