using System.Reflection;
using System.Text.Json;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration.Interop;
using StorageOs.Kernel.Hosting.Schema;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Reads and checks one <c>plugin.json</c>. Nothing of the plugin is loaded; what is wrong is a
/// refusal that names the file, the key and the expectation. It never stops at the first: each is
/// noted, and a harmless value goes in its place.
/// </summary>
internal sealed partial class ManifestReader
{
    /// <summary>Name of the file in a plugin's folder.</summary>
    internal const string FileName = "plugin.json";

    // By name, without the runtime's parser of type names, which a manifest could lead astray.
    private static readonly Dictionary<string, Type> Offered = typeof(IPlugin).Assembly
        .GetExportedTypes()
        .Where(static type => type.IsInterface
            && type.Namespace == "StorageOs.Contracts.Services")
        .ToDictionary(static type => type.Name);

    private readonly string folder;
    private readonly string file;
    private readonly JsonElement root;
    private readonly List<Finding> findings = [];

    private ManifestReader(string folder, string file, JsonElement root)
    {
        this.folder = folder;
        this.file = file;
        this.root = root;
    }

    /// <summary>Every key there is; sdk/plugin.schema.json has the same.</summary>
    internal static IReadOnlyList<string> Keys { get; } =
    [
        "$schema", "id", "version", "kind", "description", "maturity", "assembly", "type",
        "contracts", "provides", "requires", "uses", "reactor", "isolation", "restart", "limits",
        "settings", "files", "capabilities", "load", "critical",
    ];

    /// <summary>The version of Contracts that this kernel was built with, such as 0.2.</summary>
    internal static Version ContractsVersion { get; } = ReadContractsVersion();

    /// <summary>
    /// The oldest version of Contracts whose promises those of this kernel keep, so that plugins
    /// made for it run here. tests/Skew.Tests says whether that is so.
    /// </summary>
    internal static Version ContractsOldest { get; } = new(0, 1);

    private static readonly JsonDocumentOptions EachKeyOnce =
        new() { AllowDuplicateProperties = false };

    /// <summary>Reads a folder's manifest, and the bytes that it was read from.</summary>
    internal static IReadOnlyList<Finding> Read(
        string folder, out PluginManifest? manifest, out byte[] text)
    {
        manifest = null;
        text = [];
        string file = Path.Combine(folder, FileName);
        string subject = $"manifest {file}";
        try
        {
            FileInfo info = new(file);
            if (!Statx.IsFile(file) || info.Length > Limits.ManifestBytesMax)
            {
                return Wrong(new Refusal(
                    subject,
                    $"a file of at most {Limits.ManifestBytesMax} bytes",
                    !info.Exists ? "nothing"
                        : Statx.IsFile(file) ? $"{info.Length} bytes" : "a pipe or device"));
            }

            text = File.ReadAllBytes(file);
            return Read(text, folder, out manifest);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Wrong(new Refusal(subject, "a file that can be read", failure.Message));
        }
    }

    /// <summary>
    /// Reads what stands in a folder's manifest; all that is wrong with it, and no manifest then.
    /// </summary>
    internal static IReadOnlyList<Finding> Read(
        ReadOnlyMemory<byte> text, string folder, out PluginManifest? manifest)
    {
        manifest = null;
        string file = Path.Combine(folder, FileName);
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, EachKeyOnce);
            ManifestReader reader = new(folder, file, document.RootElement);
            PluginManifest? read = reader.Read();
            manifest = reader.findings.Count == 0 ? read : null;
            return reader.findings;
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            // The latter of a text that is no Unicode, which only shows when it is taken.
            return Wrong(new Refusal($"manifest {file}", "JSON", wrong.Message));
        }
    }

    private static Finding[] Wrong(Refusal refusal) => [new(FindingKind.Wrong, refusal)];

    private static Version ReadContractsVersion()
    {
        string text = typeof(IPlugin).Assembly
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        Version whole = Version.Parse(text.Split('+', '-')[0]);
        return new Version(whole.Major, whole.Minor);
    }

    private PluginManifest? Read()
    {
        if (!Require(root.ValueKind == JsonValueKind.Object, "", "an object", $"{root.ValueKind}"))
        {
            return null;
        }

        foreach (JsonProperty property in root.EnumerateObject())
        {
            Require(
                Keys.Contains(property.Name), property.Name,
                $"one of {string.Join(", ", Keys)}", "an unknown key");
        }

        string id = Text("id");
        Require(
            id.Length == 0 || PluginPath.IsName(id), "id",
            "letters, digits, dots and dashes, beginning with a letter or digit", $"\"{id}\"");
        PluginKind kind = Choice<PluginKind>("kind", null, PluginKind.Core);
        PluginPlacement placement = Choice<PluginPlacement>("reactor", PluginPlacement.Own, null);
        Require(
            placement == PluginPlacement.Kernel == (kind == PluginKind.Transport), "reactor",
            kind == PluginKind.Transport ? "kernel" : "storage or own", $"\"{placement}\"");
        CheckContracts();
        return new PluginManifest(
            id, Text("version"), kind, folder, AssemblyPath(), Text("type"),
            Services("provides"), Services("requires"), placement)
        {
            Uses = Services("uses"),
            Maturity = root.TryGetProperty("maturity", out _)
                ? Choice<PluginMaturity>("maturity", null, null) : null,
            NeedsRestart = Restart(kind, placement),
            Isolation = ReadIsolation(kind, placement),
            Capabilities = ReadCapabilities(),
            Load = Choice<PluginLoad>("load", PluginLoad.Always, null),
            Critical = ReadCritical(),
            Limits = ReadLimits(),
            Settings = ReadSettings(),
            Files = ReadFiles(),
        };
    }

    private string AssemblyPath()
    {
        string name = Text("assembly");
        string path = Path.Combine(folder, name);
        if (name.Length > 0 && Require(
            name == Path.GetFileName(name), "assembly", "a file name without a folder",
            $"\"{name}\""))
        {
            Require(File.Exists(path), "assembly", $"{name} beside it", "no such file");
        }

        return path;
    }

    private void CheckContracts()
    {
        if (!TryMember("contracts", JsonValueKind.Object, out JsonElement range)
            || VersionOf(range, "min") is not { } min || VersionOf(range, "max") is not { } max)
        {
            return;
        }

        // Neither has to know the other's version: what came later keeps the older's promises.
        if (min > ContractsVersion || max < ContractsOldest || min > max)
        {
            string remedy = min > max ? "" : min > ContractsVersion
                ? "it needs a newer kernel" : "ask its maker for a newer version of it";
            // First: what else is wrong may be what other versions know.
            findings.Insert(0, new Finding(FindingKind.NotSupported, new Refusal(
                $"manifest {file}, key contracts",
                $"a range that meets this kernel's, {ContractsOldest} to {ContractsVersion}",
                $"{min} to {max}", remedy)));
        }
    }

    private Version? VersionOf(JsonElement range, string key)
    {
        Version? version = null;
        bool good = range.TryGetProperty(key, out JsonElement value)
            && value.ValueKind == JsonValueKind.String
            && Version.TryParse(value.GetString(), out version);
        Require(good, $"contracts:{key}", "a version such as 0.2", "none");
        return version;
    }

    private List<Type> Services(string key)
    {
        List<Type> services = [];
        if (!root.TryGetProperty(key, out JsonElement list) || !Require(
            list.ValueKind == JsonValueKind.Array, key, "a list of names", $"{list.ValueKind}"))
        {
            return services;
        }

        foreach (JsonElement item in list.EnumerateArray())
        {
            string name = item.ValueKind == JsonValueKind.String ? item.GetString()! : "";
            if (Require(
                Offered.TryGetValue(name, out Type? type), key,
                "interfaces of StorageOs.Contracts.Services", item.GetRawText()))
            {
                services.Add(type!);
            }
        }

        return services;
    }

    private TChoice Choice<TChoice>(string key, TChoice? whenAbsent, TChoice? barred)
        where TChoice : struct, Enum
    {
        if (whenAbsent is { } absent && !root.TryGetProperty(key, out _))
        {
            return absent;
        }

        string value = Text(key);
        string[] names = [.. Enum.GetNames<TChoice>().Where(name => name != barred?.ToString())];
        string? name = names.FirstOrDefault(
            name => name.Equals(value, StringComparison.OrdinalIgnoreCase));
        string expected = string.Join(" or ", names.Select(name => name.ToLowerInvariant()));
        Require(value.Length == 0 || name is not null, key, expected, $"\"{value}\"");
        return Enum.Parse<TChoice>(name ?? names[0]);
    }

    /// <summary>A text; an empty one when it was refused.</summary>
    private string Text(string key)
    {
        if (!TryMember(key, JsonValueKind.String, out JsonElement value))
        {
            return "";
        }

        string text = value.GetString()!;
        return Require(text.Length is > 0 and <= 256, key, "1 to 256 characters", $"{text.Length}")
            ? text : "";
    }

    private bool TryMember(string key, JsonValueKind kind, out JsonElement value)
    {
        bool there = root.TryGetProperty(key, out value);
        return Require(
            there && value.ValueKind == kind, key, $"a JSON {kind}".ToLowerInvariant(),
            there ? $"{value.ValueKind}" : "nothing");
    }

    private bool Require(bool good, string key, string expected, string actual)
    {
        if (!good)
        {
            Refuse(key, expected, actual);
        }

        return good;
    }

    private void Refuse(string key, string expected, string actual)
    {
        if (findings.Count < Limits.FindingsMax)
        {
            string subject = key.Length == 0 ? $"manifest {file}" : $"manifest {file}, key {key}";
            findings.Add(
                new Finding(FindingKind.Wrong, new Refusal(subject, expected, actual)));
        }
    }
}
