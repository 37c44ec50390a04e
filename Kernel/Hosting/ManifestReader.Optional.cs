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
            ["provides", "requires", "uses", "capabilities"],
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

    private bool ReadCritical() =>
        root.TryGetProperty("critical", out JsonElement value)
        && Require(
            value.ValueKind is JsonValueKind.True or JsonValueKind.False, "critical",
            "true or false", $"{value.ValueKind}".ToLowerInvariant())
        && value.ValueKind == JsonValueKind.True;

    private List<PluginCapability> ReadCapabilities()
    {
        const string key = "capabilities";
        List<PluginCapability> capabilities = [];
        if (!root.TryGetProperty(key, out JsonElement list) || !Require(
            list.ValueKind == JsonValueKind.Array, key, "a list of names", $"{list.ValueKind}"))
        {
            return capabilities;
        }

        foreach (JsonElement item in list.EnumerateArray())
        {
            if (Require(
                item.ValueKind == JsonValueKind.String && item.GetString() == "operate", key,
                "operate", item.GetRawText()))
            {
                capabilities.Add(PluginCapability.Operate);
            }
        }

        return capabilities;
    }

    private PluginLimits ReadLimits()
    {
        PluginLimits limits = new();
        if (!root.TryGetProperty("limits", out JsonElement said) || !Require(
            said.ValueKind == JsonValueKind.Object, "limits", "an object", $"{said.ValueKind}"))
        {
            return limits;
        }

        foreach (JsonProperty limit in said.EnumerateObject())
        {
            limits = limit.Name switch
            {
                "memory" => limits with { MemoryBytes = Bytes(limit, 0) },
                "ports" => limits with { Ports = Count(limit, 0, int.MaxValue) },
                "posts" => limits with { Posts = Count(limit, 0, int.MaxValue) },
                "logLines" => limits with
                {
                    LogLines = Count(limit, 1, Limits.PluginLogLinesMax),
                },
                "heap" => limits with { HeapBytes = Bytes(limit, Limits.PluginHeapBytesMin) },
                _ => Unknown(limit, limits),
            };
        }

        return limits;
    }

    // A limit that nothing enforces would be a promise that nobody keeps.
    private PluginLimits Unknown(JsonProperty limit, PluginLimits limits)
    {
        Refuse(
            $"limits:{limit.Name}", "memory, ports, posts, logLines or heap", "an unknown limit");
        return limits;
    }

    private int? Count(JsonProperty limit, int least, int most)
    {
        int count = 0;
        bool good = limit.Value.ValueKind == JsonValueKind.Number
            && limit.Value.TryGetInt32(out count) && count >= least && count <= most;
        return Require(
            good, $"limits:{limit.Name}",
            most == int.MaxValue ? "a whole number" : $"a whole number from {least} to {most}",
            limit.Value.GetRawText()) ? count : null;
    }

    private long? Bytes(JsonProperty limit, long least)
    {
        long? bytes = Bytes(limit.Value);
        Require(
            bytes >= least, $"limits:{limit.Name}",
            (least > 0 ? $"at least {least} " : "") + "bytes, or a text such as \"64M\"",
            limit.Value.GetRawText());
        return bytes;
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
