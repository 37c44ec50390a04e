using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// Opens the transport from the configuration: an address and the option <c>fabric</c>.
/// </summary>
public sealed class LoopbackProvider : ITransportProvider
{
    private const string FabricOption = "fabric";

    /// <inheritdoc/>
    public ITransport Open(TransportSettings settings, Action changed)
    {
        FabricId id = FabricId.Parse("this node's address", settings.LocalAddress);
        foreach (string name in settings.Options.Keys)
        {
            if (name != FabricOption)
            {
                throw new RefusedException(new Refusal(
                    $"transport option {name}", $"the option {FabricOption} only", name));
            }
        }

        return settings.Options.TryGetValue(FabricOption, out string? directory)
            && !string.IsNullOrWhiteSpace(directory)
            ? new LoopbackTransport(Fabric.Open(directory, id), changed)
            : throw new RefusedException(new Refusal(
                $"transport option {FabricOption}",
                "the folder, the same for both nodes, that stands in for the fabric",
                "nothing",
                "set it in the configuration's transport section; memory-backed is best"));
    }
}
