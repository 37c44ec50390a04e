using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Kernel.Management;

/// <summary>A node's commands, for plugins that may operate it.</summary>
internal sealed class NodeOperations(ManagementCommands commands) : INodeOperations
{
    /// <inheritdoc/>
    public Task<JsonNode?> RunAsync(
        string command, JsonObject arguments, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(command);
        ArgumentNullException.ThrowIfNull(arguments);
        JsonObject request = new()
        {
            ["command"] = command,
            ["arguments"] = arguments.DeepClone(),
        };

        // Nothing of it on the caller's reactor, which a module's answer may hang on.
        return Task.Run(() => commands.RunAsync(request, cancellation), cancellation);
    }
}
