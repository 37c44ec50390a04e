using System.Net;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// Opens the transport from the configuration: an address, and the options <c>paths</c>,
/// <c>ack-timeout</c> and <c>persistent</c>.
/// </summary>
public sealed class VerbsProvider : ITransportProvider
{
    private readonly PersistenceLevel level;

    /// <summary>Makes the provider of a node that answers flushes at this level.</summary>
    public VerbsProvider(PersistenceLevel level = PersistenceLevel.Process) => this.level = level;

    /// <inheritdoc/>
    public ITransport Open(TransportSettings settings, Action changed)
    {
        VerbsOptions options = VerbsOptions.Parse(settings);
        options.RequireLevel(level);
        try
        {
            return new VerbsTransport(options, changed);
        }
        catch (Exception missing) when (missing is DllNotFoundException
            or EntryPointNotFoundException)
        {
            throw new RefusedException(
                new Refusal(
                    "verbs transport",
                    "the libraries libibverbs.so.1 and librdmacm.so.1",
                    missing.Message,
                    Inspection.InstallLibraries),
                missing);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<TransportFact> Inspect() => Inspection.Run();

    /// <inheritdoc/>
    public TransportSelfTest? SelfTest(TransportSettings settings)
    {
        const uint FirstPort = 17471;
        const ushort First = 65001, Second = 65002, Nobody = 65003;
        string? address = settings.LocalAddress.Length > 0
            ? settings.LocalAddress
            : Found()?.ToString();
        if (address is null)
        {
            return null;
        }

        HardwareAddress local = HardwareAddress.Parse("this node's address", address);
        TransportSettings At(ushort node) => new(
            (local with { Node = node }).ToString(),
            settings.Options.Where(o => o.Key != VerbsOptions.PathsOption)
                .ToDictionary(o => o.Key, o => o.Value));
        return new TransportSelfTest(
            At(First), FirstPort, At(Second), FirstPort + 1,
            (local with { Node = Nobody }).ToString());
    }

    /// <summary>An address of this machine's; none where the libraries are not, either.</summary>
    private static IPAddress? Found()
    {
        try
        {
            return Inspection.FirstAddress();
        }
        catch (Exception missing) when (missing is DllNotFoundException
            or EntryPointNotFoundException)
        {
            return null; // Inspect says so.
        }
    }
}
