using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>One failure of a plugin.</summary>
/// <param name="At">When, by the wall clock, for it is kept over restarts.</param>
/// <param name="Why">What it threw.</param>
/// <param name="Version">Which version of it failed; empty when that was not kept.</param>
internal sealed record PluginFailure(DateTimeOffset At, string Why, string Version = "");

/// <summary>
/// What the store keeps of one plugin, and what may become of it. Pure: each step gives the entry
/// that is to be written in place of this one, or a refusal.
/// </summary>
/// <param name="Id">The plugin's id.</param>
/// <param name="Current">Version that is loaded at the next start; null for none.</param>
/// <param name="Previous">Version to roll back to; null for none.</param>
/// <param name="Enabled">Whether it is loaded at all.</param>
/// <param name="Reason">What was done to it last, for people.</param>
/// <param name="Changed">When.</param>
internal sealed record StoreEntry(
    string Id, string? Current, string? Previous, bool Enabled, string Reason,
    DateTimeOffset Changed)
{
    /// <summary>Its failures that may still count, oldest first.</summary>
    public IReadOnlyList<PluginFailure> Failures { get; init; } = [];

    /// <summary>Why it was disabled; null when it is not.</summary>
    public string? DisabledWhy { get; init; }

    /// <summary>Why it is not loaded until it is enabled again; null when it may be.</summary>
    public string? Malfunctioned { get; init; }

    /// <summary>The version that the next start loads; null for none.</summary>
    internal string? Wanted => Enabled && MalfunctionOf(Current) is null ? Current : null;

    /// <summary>Versions whose folders are needed.</summary>
    internal IEnumerable<string> Kept =>
        new[] { Current, Previous }.OfType<string>();

    /// <summary>An entry for a plugin of which nothing was known.</summary>
    internal static StoreEntry New(string id, DateTimeOffset now) =>
        new(id, null, null, Enabled: true, "", now);

    /// <summary>A first version was put into the store.</summary>
    internal StoreEntry Install(string version, DateTimeOffset now) => Current is null
        ? this with
        {
            Current = version,
            Previous = null,
            Enabled = true,
            DisabledWhy = null,
            Failures = [],
            Malfunctioned = null,
            Reason = $"installed {version}",
            Changed = now,
        }
        : throw Refused(
            "not to be installed yet", $"version {Current}", "storageos plugin upgrade BUNDLE");

    /// <summary>
    /// Another version was put there; the one that was current can be rolled back to.
    /// </summary>
    internal StoreEntry Upgrade(string version, DateTimeOffset now)
    {
        if (Current is null)
        {
            throw Refused("to be installed", "nothing", "storageos plugin install BUNDLE");
        }

        return version == Current || version == Previous
            ? throw Refused(
                $"another version than {string.Join(" and ", Kept)}, which are there", version,
                version == Previous ? "storageos plugin rollback ID" : "")
            : this with
            {
                Current = version,
                Previous = Current,
                Failures = [],
                Malfunctioned = null,
                Reason = $"upgraded from {Current} to {version}",
                Changed = now,
            };
    }

    /// <summary>The previous version is current again, and the current one previous.</summary>
    internal StoreEntry RollBack(DateTimeOffset now) => Previous is null || Current is null
        ? throw Refused("a previous version", "none")
        : this with
        {
            Current = Previous,
            Previous = Current,
            Failures = [],
            Malfunctioned = null,
            Reason = $"rolled back from {Current} to {Previous}",
            Changed = now,
        };

    /// <summary>It is loaded again, whatever kept it from that.</summary>
    internal StoreEntry Enable(DateTimeOffset now) =>
        Current is null && Malfunctioned is null && Failures.Count == 0
            ? throw Refused("to be installed, or to have failed", "neither")
            : this with
            {
                Enabled = true,
                DisabledWhy = null,
                Failures = [],
                Malfunctioned = null,
                Reason = "enabled by an operator",
                Changed = now,
            };

    /// <summary>It is not loaded any more.</summary>
    internal StoreEntry Disable(string? why, DateTimeOffset now)
    {
        if (Current is null)
        {
            throw Refused("to be installed", "nothing", "name others in plugins.clients");
        }

        string reason = why is null ? "disabled by an operator"
            : Cut($"disabled by an operator: {why}");
        return this with
        {
            Enabled = false,
            DisabledWhy = reason,
            Reason = reason,
            Changed = now,
        };
    }

    /// <summary>No version of it is there any more.</summary>
    internal StoreEntry Remove(DateTimeOffset now) => Current is null
        ? throw Refused("to be installed", "nothing")
        : this with
        {
            Current = null,
            Previous = null,
            Failures = [],
            Malfunctioned = null,
            Reason = $"removed {Current}",
            Changed = now,
        };

    /// <summary>
    /// Why a version of it is not loaded until it is enabled; null when it may be.
    /// </summary>
    internal string? MalfunctionOf(string? version) =>
        Failures is [.., { Version: { Length: > 0 } failed }] && failed != version
            ? null : Malfunctioned;

    /// <summary>
    /// One version of it failed once more; too often makes that one malfunctioned. What another
    /// version did is not held against it.
    /// </summary>
    internal StoreEntry Fail(string why, DateTimeOffset now, string version = "")
    {
        string shown = Cut(why);

        // A clock that was set back must not make old failures count for ever.
        PluginFailure[] recent =
        [
            .. Failures.Where(old => old.Version == version
                    && (now - old.At).Duration() <= Limits.PluginFailureTime)
                .TakeLast(Limits.PluginFailuresMax - 1),
            new(now, shown, version),
        ];
        bool tooMany = recent.Length >= Limits.PluginFailuresMax;
        return this with
        {
            Failures = recent,
            Malfunctioned = MalfunctionOf(version) ?? (!tooMany ? null :
                $"{recent.Length} failures within {Limits.PluginFailureTime.TotalMinutes} minutes,"
                + $" the last at {now.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC: {shown}"),
            Changed = now,
        };
    }

    private static string Cut(string why) => why.Length > Limits.StoreReasonCharsMax
        ? why[..Limits.StoreReasonCharsMax] : why;

    private RefusedException Refused(string expected, string found, string remedy = "") =>
        new(new Refusal($"plugin {Id}", expected, found, remedy.Replace(
            "ID", Id, StringComparison.Ordinal)));
}
