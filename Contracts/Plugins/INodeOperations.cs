using System.Text.Json.Nodes;

namespace StorageOs.Contracts.Plugins;

/// <summary>
/// What a plugin that operates its node may ask of it: all that an operator may. The host has it
/// among the services of plugins whose manifest lists <c>operate</c> under <c>capabilities</c>, and
/// of no others; whoever asks on somebody's behalf answers for who that is.
/// </summary>
/// <example>
/// <code>
/// JsonNode? status = await operations.RunAsync("status", [], cancellation);
/// </code>
/// </example>
public interface INodeOperations
{
    /// <summary>
    /// Runs a command of the node (<c>status</c>, <c>plugins</c>, <c>events</c>, <c>timeline</c>,
    /// <c>stop</c>) or of one of its modules (<see cref="IOperatorCommand"/>). Any thread; runs on
    /// none of the caller's.
    /// </summary>
    /// <param name="command">The command's name.</param>
    /// <param name="arguments">Its arguments; it gets a copy.</param>
    /// <param name="cancellation">Set when whoever asked has gone.</param>
    /// <returns>The result document, the caller's own.</returns>
    /// <exception cref="Runtime.RefusedException">There is no such command, or it refuses.
    /// </exception>
    Task<JsonNode?> RunAsync(
        string command, JsonObject arguments, CancellationToken cancellation = default);
}
