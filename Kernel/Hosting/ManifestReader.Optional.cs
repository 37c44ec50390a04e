using System.Globalization;
using System.Text.Json;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting.Schema;

namespace StorageOs.Kernel.Hosting;

// The keys for plugins that somebody else makes, installs and upgrades.

/// <content>What a manifest may say beside what is needed to load its plugin.</content>
internal sealed partial class ManifestReader
{
    private const int HashChars = 64;

    /// <summary>The key of the files' hashes.</summary>
    internal const string FilesKey = "files";

    private bool Restart(PluginKind kind, PluginPlacement placement)
    {
        // What everything else stands on does not leave a running node (docs/adr/0005).
        bool always = kind != PluginKind.Client || placement != PluginPlacement.Own;
        if (!root.TryGetProperty("restart", out JsonElement value))
        {
            return always;
        }

        Require(
            value.ValueKind is JsonValueKind.True
                || (value.ValueKind is JsonValueKind.False && !always),
            "restart",
            always ? "true, for it is no client on a reactor of its own" : "true or false",
            $"{value.ValueKind}".ToLowerInvariant());
        return always || value.ValueKind == JsonValueKind.True;
    }

    /// <summary>
    /// Services of other plugins are objects of the node's process, which another cannot call.
    /// </summary>
    private PluginIsolation ReadIsolation(PluginKind kind, PluginPlacement placement)
    {
        PluginIsolation isolation = Choice<PluginIsolation>(
            "isolation", PluginIsolation.None, null);
        bool isProcess = isolation == PluginIsolation.Process;
        Require(
            !isProcess || (kind == PluginKind.Client && placement == PluginPlacement.Own),
            "isolation", "process of clients with a reactor of their own only", "process");
        string? shares = isProcess ? Array.Find(
            ["provides", "requires", "uses"],
            key => root.TryGetProperty(key, out JsonElement list)
                && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0) : null;
        Require(
            shares is null, "isolation", "none, of what takes or gives services", $"\"{shares}\"");
        Require(
            isProcess || !(root.TryGetProperty("limits", out JsonElement limits)
                && limits.ValueKind == JsonValueKind.Object
                && limits.TryGetProperty("heap", out _)),
            "limits:heap", "no such limit without isolation: process", "one");
        return isolation;
    }

    private PluginLimits ReadLimits()
    {
        if (!root.TryGetProperty("limits", out JsonElement limits) || !Require(
            limits.ValueKind == JsonValueKind.Object, "limits", "an object",
            $"{limits.ValueKind}"))
        {
            return new PluginLimits(null, null);
        }

        long? memory = null;
        int? ports = null;
        long? heap = null;
        foreach (JsonProperty limit in limits.EnumerateObject())
        {
            switch (limit.Name)
            {
                case "memory":
                    memory = Bytes(limit.Value);
                    Require(
                        memory is not null, "limits:memory", "bytes, or a text such as \"64M\"",
                        limit.Value.GetRawText());
                    break;
                case "ports":
                    int count = 0;
                    bool good = limit.Value.ValueKind == JsonValueKind.Number
                        && limit.Value.TryGetInt32(out count) && count >= 0;
                    ports = Require(
                        good, "limits:ports", "a whole number", limit.Value.GetRawText())
                        ? count : null;
                    break;
                case "heap":
                    heap = Bytes(limit.Value);
                    Require(
                        heap >= Limits.PluginHeapBytesMin, "limits:heap",
                        $"at least {Limits.PluginHeapBytesMin} bytes, as a number or \"64M\"",
                        limit.Value.GetRawText());
                    break;
                default:
                    // A limit that nothing enforces would be a promise that nobody keeps.
                    Refuse($"limits:{limit.Name}", "memory, ports or heap", "an unknown limit");
                    break;
            }
        }

        return new PluginLimits(memory, ports, heap);
    }

    private static long? Bytes(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number)
        {
            return value.TryGetInt64(out long bytes) && bytes >= 0 ? bytes : null;
        }

        string text = value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
        long unit = text.Length == 0 ? 0 : text[^1] switch
        {
            'K' => Size.KiB,
            'M' => Size.MiB,
            'G' => Size.GiB,
            _ => 0,
        };
        int count = 0;
        bool good = unit > 0 && int.TryParse(
            text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture,
            out count);
        return good ? unit * count : null;
    }

    private SettingsSchema ReadSettings() =>
        root.TryGetProperty("settings", out JsonElement schema)
            ? new SettingsSchemaReader(Refuse).Read(schema, "settings")
            : SettingsSchema.Anything;

    private Dictionary<string, string>? ReadFiles()
    {
        if (!root.TryGetProperty(FilesKey, out JsonElement list))
        {
            return null;
        }

        Dictionary<string, string> files = new(StringComparer.Ordinal);
        if (!Require(
            list.ValueKind == JsonValueKind.Object, FilesKey, "an object", $"{list.ValueKind}"))
        {
            return files;
        }

        foreach (JsonProperty entry in list.EnumerateObject())
        {
            string? hash = entry.Value.ValueKind == JsonValueKind.String
                ? entry.Value.GetString() : null;
            bool good = Require(
                    PluginPath.Problem(entry.Name) is null, FilesKey, PluginPath.Expected,
                    $"{PluginPath.Problem(entry.Name)}")
                & Require(
                    hash is { Length: HashChars } && hash.All(char.IsAsciiHexDigitLower),
                    $"{FilesKey}:{entry.Name}", $"a SHA-256 in {HashChars} lower hex digits",
                    hash is null ? $"{entry.Value.ValueKind}" : $"{hash.Length} characters");
            if (good && files.Count <= Limits.PluginFilesMax)
            {
                files.Add(entry.Name, hash!);
            }
        }

        Require(
            files.Count <= Limits.PluginFilesMax, FilesKey,
            $"at most {Limits.PluginFilesMax} files", "more");
        Require(
            !files.ContainsKey(FileName), FilesKey, "every file but the manifest itself", FileName);
        return files;
    }
}
