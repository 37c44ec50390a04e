using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Store;

// STORE/ID/VERSION/     a plugin as it was in its bundle, whole once it is there
// STORE/ID/state.json   which version is current, and whether it is loaded; replaced as a whole
// STORE/.lock  .new-*   who changes it, and what was being unpacked
// STORE/.plugin-store   says that it was made as a store: from others nothing is removed
//
// A version's folder is made elsewhere and renamed into its place; only then the state names it.
// So whoever is ended between two steps leaves the old state, and something that nobody names,
// which the next change or the node's next start removes.

/// <summary>A node's installed plugins, each with its versions side by side.</summary>
internal sealed class PluginStore(string directory, TimeProvider clock)
{
    private const string StateFile = "state.json";
    private const string Unfinished = ".new-";
    private const string Marker = ".plugin-store";
    private const string LockFile = ".lock";

    /// <summary>Whether a node runs that may have loaded something of it.</summary>
    internal Func<bool> IsInUse { get; init; } = static () => false;

    /// <summary>Full path of the store; it may not be there.</summary>
    internal string Directory { get; } = directory;

    /// <summary>Every plugin of the store, by id. Any thread; takes no lock, for each state file
    /// is replaced as a whole.</summary>
    internal IReadOnlyList<StoreRecord> Read() => !System.IO.Directory.Exists(Directory)
        ? []
        : [.. System.IO.Directory.EnumerateDirectories(Directory)
            .Where(static path => PluginPath.IsName(Path.GetFileName(path)))
            .Where(static path => File.Exists(Path.Combine(path, StateFile)))
            .Order(StringComparer.Ordinal).Take(Limits.PluginsMax).Select(ReadOne)];

    /// <summary>
    /// Unpacks a bundle, checks it as the loader does, puts it beside other versions and makes it
    /// current as <paramref name="step"/> says.
    /// </summary>
    /// <returns>What was found; it was put there when none is an error.</returns>
    /// <exception cref="RefusedException">The step is not allowed, or the disk fails.</exception>
    internal IReadOnlyList<Finding> Put(
        string bundle, PluginTrust trust,
        Func<StoreEntry, PluginManifest, DateTimeOffset, StoreEntry> step, out StoreEntry? entry,
        out PluginManifest? manifest)
    {
        entry = null;
        using StoreLock held = Begin();
        RemoveUnfinished();
        string unpacked = Path.Combine(Directory, Unfinished + Path.GetRandomFileName());
        System.IO.Directory.CreateDirectory(unpacked);
        try
        {
            PluginInspection inspection = Validation.OfBundle(bundle, unpacked, trust);
            manifest = inspection.Manifest;
            if (inspection.Error is null)
            {
                StoreEntry next = step(EntryOf(manifest!.Id), manifest, clock.GetUtcNow());
                RequireRoom(manifest.Id);
                Place(unpacked, manifest.Id, manifest.Version);
                Write(next);
                entry = next;
            }

            return inspection.Findings;
        }
        finally
        {
            if (System.IO.Directory.Exists(unpacked))
            {
                System.IO.Directory.Delete(unpacked, recursive: true);
            }
        }
    }

    /// <summary>Changes what is kept of a plugin.</summary>
    /// <exception cref="RefusedException">The step is not allowed, or the disk fails.</exception>
    internal StoreEntry Change(string id, Func<StoreEntry, DateTimeOffset, StoreEntry> step)
    {
        if (!PluginPath.IsName(id))
        {
            throw new RefusedException(new Refusal(
                "plugin", "an id of letters, digits, dots and dashes", $"\"{id}\""));
        }

        using StoreLock held = Begin();
        StoreEntry next = step(EntryOf(id), clock.GetUtcNow());
        RequireRoom(id);
        Write(next);
        return next;
    }

    /// <summary>
    /// Removes versions that no state names. Nothing of them may be loaded: only who starts a node,
    /// or knows that none runs, may call this.
    /// </summary>
    /// <param name="wait">How long to wait for somebody who changes it.</param>
    /// <exception cref="RefusedException">Somebody changes it for longer.</exception>
    internal void Prune(TimeSpan wait)
    {
        if (!File.Exists(Path.Combine(Directory, Marker)))
        {
            return; // Not there, or a folder of something else, which plugins.store names wrongly.
        }

        using StoreLock held = StoreLock.Take(Directory, wait);
        RemoveUnfinished();
        foreach (string nameless in System.IO.Directory.GetDirectories(Directory)
            .Where(static path => PluginPath.IsName(Path.GetFileName(path))
                && !File.Exists(Path.Combine(path, StateFile))))
        {
            System.IO.Directory.Delete(nameless, recursive: true);
        }

        foreach (StoreRecord record in Read().Where(static record => record.Entry is not null))
        {
            string[] kept = [.. record.Entry!.Kept];
            foreach (string version in System.IO.Directory.GetDirectories(record.Path)
                .Where(path => !kept.Contains(Path.GetFileName(path))))
            {
                System.IO.Directory.Delete(version, recursive: true);
            }

            // What is known of a plugin that lies elsewhere stays while it counts.
            if (kept.Length == 0 && record.Entry is { Failures: [], Malfunctioned: null })
            {
                System.IO.Directory.Delete(record.Path, recursive: true);
            }
        }
    }

    /// <summary>Begins a change, of a store that is there or of a new one.</summary>
    /// <exception cref="RefusedException">The folder holds something else.</exception>
    private StoreLock Begin()
    {
        System.IO.Directory.CreateDirectory(Directory);
        StableFile.FlushName(Directory);
        StoreLock held = StoreLock.Take(Directory, Limits.StoreLockTimeMax);
        try
        {
            string marker = Path.Combine(Directory, Marker);
            if (!File.Exists(marker))
            {
                RequireEmpty();
                WholeFile.Write(marker, "What lies here and no state.json names is removed.\n");
            }

            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    private void RequireEmpty()
    {
        string? other = System.IO.Directory.EnumerateFileSystemEntries(Directory)
            .Select(Path.GetFileName)
            .FirstOrDefault(static name => name is not (LockFile or $"{Marker}.new"));
        if (other is not null)
        {
            throw new RefusedException(new Refusal(
                $"plugin store {Directory}", "a folder that is empty, or was made as a store",
                other, "correct plugins.store"));
        }
    }

    private StoreRecord ReadOne(string path)
    {
        string id = Path.GetFileName(path);
        string file = Path.Combine(path, StateFile);
        try
        {
            FileInfo info = new(file);
            StoreEntry? entry = null;
            Refusal? refusal = info.Length > Limits.StoreStateBytesMax
                ? new Refusal(file, $"at most {Limits.StoreStateBytesMax} bytes", $"{info.Length}")
                : StoreEntryText.TryParse(File.ReadAllBytes(file), id, file, out entry);
            return new(id, entry, path, refusal);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return new(id, null, path, new Refusal(
                file, "a file that can be read", failure.Message));
        }
    }

    private StoreEntry EntryOf(string id)
    {
        StoreRecord? record = Read().FirstOrDefault(record => record.Id == id);
        return record?.Broken is { } broken
            ? throw new RefusedException(broken)
            : record?.Entry ?? StoreEntry.New(id, clock.GetUtcNow());
    }

    private void RequireRoom(string id)
    {
        IReadOnlyList<StoreRecord> all = Read();
        if (all.Count == Limits.PluginsMax && all.All(record => record.Id != id))
        {
            throw new RefusedException(new Refusal(
                $"plugin {id}", $"at most {Limits.PluginsMax} plugins in the store {Directory}",
                "one more", "storageos plugin remove one that is not needed; while its node runs,"
                + " its place is free when that starts again"));
        }
    }

    private void Place(string unpacked, string id, string version)
    {
        string plugin = Path.Combine(Directory, id);
        System.IO.Directory.CreateDirectory(plugin);
        StableFile.FlushName(plugin);
        string place = Path.Combine(plugin, version);
        if (System.IO.Directory.Exists(place))
        {
            // Of a change that was cut short, or of a plugin that was removed: nobody names it,
            // but a node that runs since before may have it loaded.
            if (HoldsTheSame(unpacked, place))
            {
                return;
            }

            if (IsInUse())
            {
                throw new RefusedException(new Refusal(
                    $"plugin {id}", $"the files of version {version} that the running node has",
                    "others", "stop the node, or have its maker give it another version"));
            }

            System.IO.Directory.Move(
                place, Path.Combine(Directory, Unfinished + Path.GetRandomFileName()));
        }

        System.IO.Directory.Move(unpacked, place);
        StableFile.FlushName(place);
    }

    /// <summary>
    /// Whether a version's folder is whole and has the files of another, by the hashes of both.
    /// </summary>
    private static bool HoldsTheSame(string unpacked, string place) =>
        PluginInspection.Of(place, PluginTrust.Anybody, PluginOrigin.Store).Error is null
        && Content(unpacked, ManifestReader.FileName)
            .SequenceEqual(Content(place, ManifestReader.FileName))
        && Content(unpacked, PluginSignature.FileName)
            .SequenceEqual(Content(place, PluginSignature.FileName));

    private static byte[] Content(string folder, string name)
    {
        string file = Path.Combine(folder, name);
        return File.Exists(file) ? File.ReadAllBytes(file) : [];
    }

    private void Write(StoreEntry entry)
    {
        string folder = Path.Combine(Directory, entry.Id);
        System.IO.Directory.CreateDirectory(folder);
        StableFile.FlushName(folder);
        WholeFile.Write(Path.Combine(folder, StateFile), StoreEntryText.Of(entry));
    }

    private void RemoveUnfinished()
    {
        foreach (string left in System.IO.Directory.GetDirectories(Directory, Unfinished + "*"))
        {
            System.IO.Directory.Delete(left, recursive: true);
        }
    }
}
