using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Management;

/// <summary>What can be asked of a node: the kernel's own commands, and each module's.</summary>
internal sealed class ManagementCommands(Node node)
{
    private static readonly string[] Own =
        ["status", "plugins", "follow", "stop", "events", "timeline"];

    /// <summary>Runs the command that a request names.</summary>
    /// <exception cref="RefusedException">The request, or what it asks for, is refused.</exception>
    internal async Task<JsonNode?> RunAsync(JsonObject request, CancellationToken cancellation)
    {
        (string name, JsonObject arguments) = Read(request);
        return name switch
        {
            "status" => await StatusDocument.OfAsync(node),
            "plugins" => StatusDocument.Plugins(node),
            "follow" => await FollowAsync(arguments),
            "events" => node.Events,
            "timeline" => StoryDocument.Of(node.Events),
            "stop" => Stop(),
            _ => await RunOfModuleAsync(name, arguments, cancellation),
        };
    }

    /// <summary>What a request asks for.</summary>
    /// <exception cref="RefusedException">It does not say.</exception>
    internal static (string Name, JsonObject Arguments) Read(JsonObject request)
    {
        if (request["command"] is not JsonValue value || Text(value) is not { } name)
        {
            throw new RefusedException(
                new Refusal("request", "\"command\" with a command's name", "none"));
        }

        if (request["arguments"] is not (null or JsonObject))
        {
            throw new RefusedException(
                new Refusal("request", "\"arguments\" to be an object", "something else"));
        }

        return (name, request["arguments"]?.DeepClone().AsObject() ?? []);
    }

    private static string? Text(JsonValue value)
    {
        try
        {
            return value.TryGetValue(out string? text) ? text : null;
        }
        catch (InvalidOperationException)
        {
            return null; // Half a character, by an escape.
        }
    }

    /// <summary>The node's plugin store has changed in what it wants of one plugin.</summary>
    private async Task<JsonObject> FollowAsync(JsonObject arguments)
    {
        if (arguments["id"] is not JsonValue value || Text(value) is not { } id)
        {
            throw new RefusedException(new Refusal("follow", "\"id\" of a plugin", "none"));
        }

        PluginOutcome outcome = await node.FollowStoreAsync(id);
        return new JsonObject
        {
            ["waits"] = outcome.Waits,
            ["plugin"] = outcome.Module is { } module ? StatusDocument.Of(module) : null,
        };
    }

    private JsonObject Stop()
    {
        node.AskStop("an operator asked for it");
        return new JsonObject { ["pid"] = Environment.ProcessId };
    }

    private static async Task<JsonNode?> RunAsync(
        Module module, IOperatorCommand command, string name, JsonObject arguments,
        CancellationToken cancellation)
    {
        Task<JsonNode?> answer =
            module.View!.CallAsync(() => command.RunAsync(arguments, cancellation));
        try
        {
            _ = await Task.WhenAny(answer, module.Ended)
                .WaitAsync(Limits.CommandTimeMax, cancellation);
        }
        catch (TimeoutException)
        {
            throw new RefusedException(new Refusal(
                name, $"an answer within {Limits.CommandTimeMax.TotalMinutes} minutes",
                "none", "see the status for whether its module runs"));
        }

        if (!answer.IsCompleted)
        {
            (ModuleState state, string reason, _) = module.Standing;
            throw new RefusedException(new Refusal(
                name, $"{module.Id} to run", $"{state}: {reason}", "start the node again"));
        }

        return await answer;
    }

    private async Task<JsonNode?> RunOfModuleAsync(
        string name, JsonObject arguments, CancellationToken cancellation)
    {
        List<string> known = [.. Own];
        foreach (Module module in node.Modules)
        {
            foreach ((IOperatorCommand command, string its) in module.Parts.Commands)
            {
                if (its == name)
                {
                    return await RunAsync(module, command, name, arguments, cancellation);
                }

                known.Add(its);
            }
        }

        throw new RefusedException(
            new Refusal("command", $"one of {string.Join(", ", known)}", $"\"{name}\""));
    }
}
