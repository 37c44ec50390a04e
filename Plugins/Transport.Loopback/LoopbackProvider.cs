using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// Opens the transport from the configuration: an address and the option <c>fabric</c>.
/// </summary>
public sealed class LoopbackProvider : ITransportProvider
{
    private const string FabricOption = "fabric";
    private const string SharedMemory = "/dev/shm";

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

    /// <inheritdoc/>
    public IReadOnlyList<TransportFact> Inspect()
    {
        DriveInfo memory = new(SharedMemory);
        bool there = memory is { IsReady: true, DriveFormat: "tmpfs" };
        return
        [
            new TransportFact(
                SharedMemory,
                there ? $"{memory.AvailableFreeSpace / Size.MiB} MiB free" : "no tmpfs",
                Usable: true,
                there ? "" : "a fabric on a disk works, slower; mount a tmpfs to be fast"),
        ];
    }

    /// <summary>
    /// Two ids on a fabric of the user's own, which stays for the next time; one check at a time.
    /// </summary>
    public TransportSelfTest? SelfTest(TransportSettings settings)
    {
        string root = Directory.Exists(SharedMemory) ? SharedMemory : Path.GetTempPath();
        Dictionary<string, string> options = new()
        {
            [FabricOption] = Path.Combine(root, $"storageos-check-{Environment.UserName}"),
        };
        return new TransportSelfTest(
            new TransportSettings("fc:00c0de", options),
            1,
            new TransportSettings("fc:00c0df", options),
            2,
            "fc:00c0e0");
    }
}
