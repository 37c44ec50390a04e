using System.Globalization;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Verbs;

/// <summary>One way to the partner.</summary>
/// <param name="Local">Our address on it.</param>
/// <param name="Partner">The partner's; null where the configuration's preset one is meant.</param>
internal readonly record struct NetworkPath(HardwareAddress Local, HardwareAddress? Partner);

/// <summary>The transport's section of the configuration, read and checked.</summary>
/// <param name="Paths">Ways to the partner, the preferred one first.</param>
/// <param name="AckTimeout">Exponent of the card's wait before it sends again.</param>
/// <param name="Persistent">Whether backed regions lie in persistent memory.</param>
internal sealed record VerbsOptions(
    IReadOnlyList<NetworkPath> Paths, byte AckTimeout, bool Persistent)
{
    /// <summary>Name of the option that lists paths.</summary>
    public const string PathsOption = "paths";

    private const string AckTimeoutOption = "ack-timeout";
    private const string PersistentOption = "persistent";

    /// <summary>Our address on the first path.</summary>
    public HardwareAddress Local => Paths[0].Local;

    /// <summary>Reads and checks.</summary>
    /// <exception cref="RefusedException">Something is wrong.</exception>
    public static VerbsOptions Parse(TransportSettings settings)
    {
        HardwareAddress local =
            HardwareAddress.Parse("this node's address", settings.LocalAddress);
        foreach (string name in settings.Options.Keys)
        {
            if (name is not (PathsOption or AckTimeoutOption or PersistentOption))
            {
                throw new RefusedException(new Refusal(
                    $"transport option {name}",
                    $"{PathsOption}, {AckTimeoutOption} or {PersistentOption}",
                    name));
            }
        }

        return new VerbsOptions(
            settings.Options.TryGetValue(PathsOption, out string? paths)
                ? ParsePaths(paths, local)
                : [new NetworkPath(local, null)],
            ParseAckTimeout(settings.Options.GetValueOrDefault(AckTimeoutOption)),
            ParsePersistent(settings.Options.GetValueOrDefault(PersistentOption)));
    }

    /// <summary>
    /// Refuses what a node of this level may not be opened with: without the option no port offers
    /// the flush that level power answers behind, for a card completes a write that is not durable
    /// yet (rule L6).
    /// </summary>
    /// <exception cref="RefusedException">The options do not do.</exception>
    public void RequireLevel(PersistenceLevel level)
    {
        if (level == PersistenceLevel.Power && !Persistent)
        {
            throw new RefusedException(new Refusal(
                $"transport option {PersistentOption}",
                "true, for node:persistence is power",
                "false",
                $"set transport:options:{PersistentOption} to true where the logs of both nodes "
                    + "lie in persistent memory, or configure the level process"));
        }
    }

    private static List<NetworkPath> ParsePaths(string text, HardwareAddress local)
    {
        const string Subject = $"transport option {PathsOption}";
        List<NetworkPath> paths = [];
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
        {
            string[] ends = part.Split('>', StringSplitOptions.TrimEntries);
            if (ends.Length != 2)
            {
                throw new RefusedException(new Refusal(
                    Subject, "paths as ours>theirs,ours>theirs", $"'{part}'"));
            }

            paths.Add(new NetworkPath(
                HardwareAddress.Parse(Subject, ends[0]),
                HardwareAddress.Parse(Subject, ends[1])));
        }

        if (paths.Count > Limits.PathsMax)
        {
            throw new RefusedException(new Refusal(
                Subject, $"at most {Limits.PathsMax} paths", $"{paths.Count}"));
        }

        return paths[0].Local == local
            ? paths
            : throw new RefusedException(new Refusal(
                Subject,
                $"a first path from this node's address {local}",
                $"{paths[0].Local}",
                "put the preset addresses of both nodes first"));
    }

    private static byte ParseAckTimeout(string? text) =>
        text is null ? Limits.AckTimeoutDefault
        : byte.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out byte value)
            && value is >= Limits.AckTimeoutMin and <= Limits.AckTimeoutMax ? value
        : throw new RefusedException(new Refusal(
            $"transport option {AckTimeoutOption}",
            $"{Limits.AckTimeoutMin} to {Limits.AckTimeoutMax}: 4.096 µs times two to this power",
            $"'{text}'"));

    // A configuration's true arrives as True.
    private static bool ParsePersistent(string? text) =>
        text is not null && (bool.TryParse(text, out bool persistent) ? persistent
        : throw new RefusedException(new Refusal(
            $"transport option {PersistentOption}",
            "true, when the backing paths of both nodes are persistent memory and what its "
                + "memory controller has taken survives a power loss; or false",
            $"'{text}'")));
}
