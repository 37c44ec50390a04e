// What a client that requires IVolumes is given in a test: the contract and no more than that.
// Requests complete later and in any order, what was not committed does not, and nothing of a node
// that has lost its group is answered. Both nodes have the same bytes, as mirrored volumes do.
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Plugin.Testing.Pair;

namespace StorageOs.Plugin.Testing;

/// <summary>
/// The mirrored volumes of a <see cref="ClientPair"/>, in memory. Give each node its view of them
/// by <see cref="ClientPairOptions.Services"/>, and say who serves. They outlive every boot.
/// </summary>
/// <param name="seed">When requests complete, and in which order, follows from it.</param>
public sealed class MemoryVolumes(ulong seed = 1)
{
    private readonly VirtualTime chance = new(seed);
    private readonly Dictionary<string, VolumesView> views = [];

    /// <summary>Name of the node that serves all volumes; null: none does. First node a.</summary>
    public string? Server { get; private set; } = "a";

    internal List<(string Name, byte[] Bytes)> Volumes { get; } = [];

    /// <summary>Adds a volume of zeros; before the pair starts.</summary>
    public MemoryVolumes Add(string name, int bytes)
    {
        Volumes.Add((name, new byte[bytes]));
        return this;
    }

    /// <summary>The bytes of a volume, for a test to look at and to damage.</summary>
    public Memory<byte> BytesOf(string name) =>
        Volumes.First(volume => volume.Name == name).Bytes;

    /// <summary>A node's view of them in one boot; an earlier boot's serves no more.</summary>
    public IVolumes On(NodeInfo node, IReactor reactor)
    {
        ArgumentNullException.ThrowIfNull(node);
        VolumesView view = new(this, node.Name, reactor);
        views[node.Name] = view;
        return view;
    }

    /// <summary>
    /// From now on this node serves, or none. What the one before has under way is not answered,
    /// and may be done or not.
    /// </summary>
    public void Serve(string? node)
    {
        Server = node;
        foreach (VolumesView view in views.Values)
        {
            view.ServerChanged();
        }
    }

    internal bool IsServer(VolumesView view) =>
        view.Node == Server && views.GetValueOrDefault(view.Node) == view;

    internal long Below(long limit) => chance.Below(limit);
}
