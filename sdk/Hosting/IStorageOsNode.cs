using System.Text.Json.Nodes;
using StorageOs.Contracts.Clients;

namespace StorageOs.Hosting;

/// <summary>The node in this process, as the program around it sees it. Any thread.</summary>
public interface IStorageOsNode
{
    /// <summary>How it stands; a fresh value each time.</summary>
    NodeStatus Status { get; }

    /// <summary>
    /// Its part of the status document, as <c>storageos status -o json</c> has it; null while it
    /// does not run.
    /// </summary>
    Task<JsonObject?> DescribeAsync();
}

/// <summary>How a node stands.</summary>
/// <param name="State">Whether it runs.</param>
/// <param name="Reason">Why it does not, when it has stopped or failed; else empty.</param>
/// <param name="Phase">How far its boot has come.</param>
/// <param name="Partner">Its partner as it is known now; null while it does not run.</param>
/// <param name="Plugins">Its plugins, the program's own among them.</param>
public sealed record NodeStatus(
    NodeState State,
    string Reason,
    BootPhase Phase,
    PartnerView? Partner,
    IReadOnlyList<PluginStatus> Plugins);

/// <summary>Whether a node runs.</summary>
public enum NodeState
{
    /// <summary>It has not booted yet.</summary>
    Starting,

    /// <summary>It runs, whether or not it has found its partner.</summary>
    Running,

    /// <summary>It was stopped in good order, by the host or by an operator.</summary>
    Stopped,

    /// <summary>
    /// It could not boot, or ended by a fault of its own. The program goes on without it.
    /// </summary>
    Failed,
}

/// <summary>How a plugin of a node stands.</summary>
/// <param name="Id">Its id.</param>
/// <param name="State">As in the status document: <c>Running</c>, <c>Refused</c>.</param>
/// <param name="Reason">Why; empty when there is nothing to say.</param>
public sealed record PluginStatus(string Id, string State, string Reason);
