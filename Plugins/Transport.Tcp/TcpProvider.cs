using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tcp;

/// <summary>Opens the transport from the configuration.</summary>
public sealed class TcpProvider : ITransportProvider
{
    /// <inheritdoc/>
    public ITransport Open(TransportSettings settings, Action changed)
    {
        foreach (string name in settings.Options.Keys)
        {
            throw new RefusedException(new Refusal(
                $"transport option {name}", "no option", name, "remove it"));
        }

        return new TcpTransport(
            NodeAddress.Parse("this node's address", settings.LocalAddress), changed);
    }
}
