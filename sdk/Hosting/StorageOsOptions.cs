using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Hosting;

/// <summary>What a node in this process is made of.</summary>
public sealed class StorageOsOptions
{
    internal List<(string Id, Func<IServiceProvider, IPlugin> Make)> Plugins { get; } = [];

    /// <summary>
    /// The node's configuration, a JSON file as <c>storageos boot</c> takes it. Null: a part of the
    /// host's own configuration is taken instead.
    /// </summary>
    public string? ConfigurationFile { get; set; }

    /// <summary>
    /// That part, with the keys of such a file; null for the host's section <c>StorageOs</c>.
    /// Relative paths in it start at the host's content root.
    /// </summary>
    public IConfiguration? Configuration { get; set; }

    /// <summary>
    /// Adds a client plugin that is part of this program. The node brings it up as any other, on a
    /// reactor of its own: its needs are held against the kernel's limits, and what it throws ends
    /// it by name and nobody else.
    /// </summary>
    /// <param name="id">Its id, by which configuration and status name it.</param>
    /// <param name="make">
    /// Makes its entry object of this program's services; called once, on no thread in particular.
    /// </param>
    public void AddPlugin(string id, Func<IServiceProvider, IPlugin> make)
    {
        ArgumentNullException.ThrowIfNull(id);
        ArgumentNullException.ThrowIfNull(make);
        Plugins.Add((id, make));
    }
}
