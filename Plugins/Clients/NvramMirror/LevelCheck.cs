using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.NvramMirror;

/// <summary>
/// Whether the memory behind a log gives the persistence that the node is configured for (rule L6).
/// The append path flushes no cache, so only memory that is safe as soon as stores are visible, on
/// this node and from its partner's card, survives a loss of power.
/// </summary>
internal static class LevelCheck
{
    private const string SafeDomain = "cpu_cache";

    /// <summary>Refuses a node whose logs would not keep what they promise.</summary>
    /// <exception cref="RefusedException">The memory does not do.</exception>
    internal static void Require(ClientNeeds needs, NodeInfo node)
    {
        foreach (RegionNeed need in needs.Regions)
        {
            if (need.BackingPath is { } path && Of(path, node.Persistence) is { } refusal)
            {
                throw new RefusedException(refusal);
            }
        }
    }

    /// <summary>Why the path does not do; null when it does.</summary>
    internal static Refusal? Of(string path, PersistenceLevel level)
    {
        if (level == PersistenceLevel.Process || !OperatingSystem.IsLinux())
        {
            return null;
        }

        string domain = DaxDevice.Find(path)?.PersistenceDomain ?? "no persistent memory device";
        return domain == SafeDomain ? null : new Refusal(
            $"log {path}",
            $"a device of persistent memory whose domain is {SafeDomain}, for node:persistence "
                + "is power",
            domain,
            "link the log to such a /dev/dax device, or configure the level process");
    }
}
