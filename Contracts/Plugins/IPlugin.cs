using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace StorageOs.Contracts.Plugins;

/// <summary>
/// The entry type of a plugin, named in its <c>plugin.json</c>; has a public constructor without
/// parameters. Its one duty is to say what the plugin consists of: everything else happens in the
/// services it registers, which the host creates.
/// </summary>
public interface IPlugin
{
    /// <summary>
    /// Registers the plugin's services. Called once, before anything of it runs. Throwing, or not
    /// returning in time (30 seconds unless the node's configuration says otherwise), refuses the
    /// plugin by name; the node boots on without it. The same holds for the constructors of what is
    /// registered.
    /// </summary>
    void Register(IPluginRegistry registry);
}

/// <summary>What a plugin is given to register with.</summary>
public interface IPluginRegistry
{
    /// <summary>
    /// The plugin's own services; no other module sees them. The host has put in: logging
    /// (<c>ILogger&lt;T&gt;</c>), <see cref="IConfiguration"/> (the plugin's own section),
    /// <see cref="NodeInfo"/>, the <see cref="Runtime.IReactor"/> the plugin was placed on,
    /// <see cref="Services.IHandoverVetoes"/>, and
    /// each service its manifest requires of other modules. What the host looks for in it:
    /// <see cref="Transports.ITransportProvider"/>, <see cref="Clients.IClient"/>,
    /// <see cref="Services.IWitness"/>, <see cref="IStatusReporter"/>,
    /// <see cref="IOperatorCommand"/>.
    /// </summary>
    IServiceCollection Services { get; }

    /// <summary>
    /// Offers a service, an interface of this assembly registered in <see cref="Services"/>, to
    /// other modules. The manifest must list it under <c>provides</c>.
    /// </summary>
    void Provide<TService>()
        where TService : class;
}

/// <summary>What a module may know of the node it runs on.</summary>
/// <param name="Name">Configured name.</param>
/// <param name="PartnerName">Configured name of the partner.</param>
/// <param name="SystemId">Stable id of this node.</param>
/// <param name="PartnerSystemId">
/// Configured id of the partner; never equal to <paramref name="SystemId"/>.
/// </param>
/// <param name="BootEpoch">Number of this boot; never used before by this node.</param>
/// <param name="DataDirectory">
/// Where the node keeps what must survive it; exclusively this node's.
/// </param>
/// <param name="NvramDirectory">
/// Where backing files of mirrored memory go; may be memory-backed.
/// </param>
/// <param name="Persistence">The level at which this node answers flushes.</param>
public sealed record NodeInfo(
    string Name,
    string PartnerName,
    ulong SystemId,
    ulong PartnerSystemId,
    ulong BootEpoch,
    string DataDirectory,
    string NvramDirectory,
    PersistenceLevel Persistence)
{
    /// <summary>The group at home on this node.</summary>
    public Services.GroupId HomeGroup => new(SystemId < PartnerSystemId ? (byte)0 : (byte)1);

    /// <summary>
    /// Identifies this boot of the machine (not of the process): what is only crash safe is lost
    /// when it changes.
    /// </summary>
    public required string MachineBootId { get; init; }
}

/// <summary>What a completed flush promises.</summary>
public enum PersistenceLevel
{
    /// <summary>
    /// Both nodes' memory holds it: survives any crash of any process, not a power loss of both.
    /// </summary>
    Process,

    /// <summary>Both nodes' stable storage holds it.</summary>
    Power,
}

/// <summary>
/// Adds a module's part to the node's status. Called on the module's reactor; must not block.
/// </summary>
public interface IStatusReporter
{
    /// <summary>
    /// Key of the part in the status document, in camelCase; documented by the module.
    /// </summary>
    string Section { get; }

    /// <summary>The part as it is now; a new tree each time.</summary>
    System.Text.Json.Nodes.JsonNode? Report();
}

/// <summary>
/// A command an operator can give to a running node through its management interface.
/// </summary>
public interface IOperatorCommand
{
    /// <summary>The command's name, such as <c>takeover</c>.</summary>
    string Name { get; }

    /// <summary>Runs it. Called on the module's reactor; may await.</summary>
    /// <param name="arguments">The arguments, checked by the command itself.</param>
    /// <param name="cancellation">Set when whoever asked has gone.</param>
    /// <returns>
    /// The result document; a <see cref="Runtime.RefusedException"/> is shown as the refusal it
    /// carries.
    /// </returns>
    ValueTask<System.Text.Json.Nodes.JsonNode?> RunAsync(
        System.Text.Json.Nodes.JsonObject arguments, CancellationToken cancellation);
}
