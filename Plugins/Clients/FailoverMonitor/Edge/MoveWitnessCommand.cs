using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// <c>moveWitness</c>: moves the register of both groups to the next witness while the pair runs;
/// with <c>check</c> only looks whether this node could, or could follow.
/// </summary>
internal sealed class MoveWitnessCommand(MonitorClient client) : IOperatorCommand
{
    /// <inheritdoc/>
    public string Name => "moveWitness";

    /// <inheritdoc/>
    public async ValueTask<JsonNode?> RunAsync(
        JsonObject arguments, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        bool check = arguments["check"] is JsonValue value && value.TryGetValue(out bool asked)
            && asked;
        if (client.Witness is not { } witness)
        {
            throw Refused("a witness", "none");
        }

        JsonArray groups = [];
        foreach (GroupId group in GroupId.All)
        {
            // Not cancelled with whoever asked: a move is better finished than left.
            string why = check
                ? await witness.CheckAsync(group, cancellation)
                : await witness.MoveAsync(group, CancellationToken.None);
            if (why.Length > 0)
            {
                throw Refused($"the register of {group} to move", why);
            }

            groups.Add(new JsonObject { ["group"] = group.Value });
        }

        return new JsonObject { ["groups"] = groups, ["witness"] = witness.Description };
    }

    private static RefusedException Refused(string expected, string actual) => new(new Refusal(
        "moveWitness", expected, actual, "ask again; nothing is lost by asking twice"));
}
