using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Management;

namespace StorageOs.Hosting;

/// <summary>
/// Runs a node for as long as its host. The node is the host's guest: whatever becomes of it is
/// logged and shown, and ends nothing but the node.
/// </summary>
internal sealed class NodeService(
    StorageOsOptions options, IServiceProvider services, IConfiguration configuration,
    IHostEnvironment environment, ILoggerFactory logs) : IHostedService, IStorageOsNode
{
    private const string Section = "StorageOs";
    private readonly ILogger log = logs.CreateLogger<NodeService>();
    private readonly TaskCompletionSource<string> hostStops =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Standing standing = new(NodeState.Starting, "", null);
    private Task running = Task.CompletedTask;

    private sealed record Standing(NodeState State, string Reason, Node? Node);

    /// <inheritdoc/>
    public NodeStatus Status
    {
        get
        {
            (NodeState state, string reason, Node? node) = standing;
            return new NodeStatus(
                state, reason, node?.Phase ?? BootPhase.None,
                state == NodeState.Running ? node!.Connection.Partner : null,
                node is null ? [] : [.. node.Modules.Select(StatusOf)]);
        }
    }

    /// <inheritdoc/>
    public async Task<JsonObject?> DescribeAsync() =>
        standing is { State: NodeState.Running, Node: { } node }
            ? await StatusDocument.OfAsync(node) : null;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        running = Task.Run(RunAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _ = hostStops.TrySetResult("the host stops");
        try
        {
            await running.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            log.LogWarning("the node did not stop in the host's time and is left");
        }
    }

    private async Task RunAsync()
    {
        try
        {
            if (Read() is { } settings)
            {
                await RunAsync(settings);
            }
        }
        catch (RefusedException refused)
        {
            Fail($"{refused.Refusal}", null);
        }
#pragma warning disable CA1031 // Whatever it is, it ends the node and not the host.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Fail($"{failure.GetType().Name}: {failure.Message}", failure);
        }
    }

    private async Task RunAsync(NodeSettings settings)
    {
        // A factory of its own, for the node's recorder is among its providers: what the rest of
        // the program logs is not the node's story.
        using LoggerFactory own = new([new HostLogs(logs)]);
        EmbeddedPlugin[] plugins =
        [
            .. options.Plugins.Select(plugin => new EmbeddedPlugin(
                plugin.Id, () => plugin.Make(services))),
        ];
        await using Node node = await Node.BootAsync(settings, new CorePlugin(), own, plugins);
        standing = new(NodeState.Running, "", node);
        string why = await await Task.WhenAny(node.StopAsked, hostStops.Task);
        await node.StopAsync(why);
        standing = standing with { State = NodeState.Stopped, Reason = why };
        if (node.Failed)
        {
            Fail(why, null);
        }
    }

    private NodeSettings? Read()
    {
        IReadOnlyList<Refusal> refusals;
        NodeSettings? settings;
        if (options.ConfigurationFile is { } file)
        {
            refusals = NodeConfiguration.Load(
                Path.GetFullPath(file, environment.ContentRootPath), [], out settings);
        }
        else
        {
            refusals = NodeConfiguration.Load(
                options.Configuration ?? configuration.GetSection(Section),
                $"configuration section {Section}", environment.ContentRootPath, out settings);
        }

        if (settings is null)
        {
            Fail(string.Join("\n", refusals), null);
        }

        return settings;
    }

    private void Fail(string why, Exception? failure)
    {
        standing = standing with { State = NodeState.Failed, Reason = why };
        log.LogCritical(failure, "the node has failed; the program goes on without it: {Why}", why);
    }

    private static PluginStatus StatusOf(Module module)
    {
        (ModuleState state, string reason, _) = module.Standing;
        return new(module.Id, $"{state}", reason);
    }
}
