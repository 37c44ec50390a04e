using System.Reflection;
using System.Text.Json;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Reads and checks one <c>plugin.json</c>. Nothing of the plugin is loaded; what is wrong is a
/// refusal that names the file, the key and the expectation.
/// </summary>
internal sealed class ManifestReader
{
    /// <summary>Name of the file in a plugin's folder.</summary>
    internal const string FileName = "plugin.json";

    private static readonly string[] Keys =
    [
        "id", "version", "kind", "description", "assembly", "type", "contracts", "provides",
        "requires", "uses", "reactor",
    ];

    private readonly string folder;
    private readonly string file;
    private readonly JsonElement root;

    private ManifestReader(string folder, string file, JsonElement root)
    {
        this.folder = folder;
        this.file = file;
        this.root = root;
    }

    /// <summary>The version of Contracts that this kernel was built with, such as 0.1.</summary>
    internal static Version ContractsVersion { get; } = ReadContractsVersion();

    /// <summary>Reads a folder's manifest.</summary>
    internal static Refusal? TryRead(string folder, out PluginManifest? manifest)
    {
        manifest = null;
        string file = Path.Combine(folder, FileName);
        string subject = $"manifest {file}";
        try
        {
            FileInfo info = new(file);
            if (!info.Exists || info.Length > Limits.ManifestBytesMax)
            {
                return new Refusal(
                    subject,
                    $"a file of at most {Limits.ManifestBytesMax} bytes",
                    info.Exists ? $"{info.Length} bytes" : "nothing");
            }

            return TryParse(File.ReadAllBytes(file), folder, out manifest);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return new Refusal(subject, "a file that can be read", failure.Message);
        }
    }

    /// <summary>Reads what stands in a folder's manifest.</summary>
    internal static Refusal? TryParse(
        ReadOnlyMemory<byte> text, string folder, out PluginManifest? manifest)
    {
        manifest = null;
        string file = Path.Combine(folder, FileName);
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            manifest = new ManifestReader(folder, file, document.RootElement).Read();
            return null;
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            // The latter of a text that is no Unicode, which only shows when it is taken.
            return new Refusal($"manifest {file}", "JSON", wrong.Message);
        }
        catch (RefusedException refused)
        {
            return refused.Refusal;
        }
    }

    private static Version ReadContractsVersion()
    {
        string text = typeof(IPlugin).Assembly
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        Version whole = Version.Parse(text.Split('+', '-')[0]);
        return new Version(whole.Major, whole.Minor);
    }

    private PluginManifest Read()
    {
        Require(root.ValueKind == JsonValueKind.Object, "", "an object", $"{root.ValueKind}");
        foreach (JsonProperty property in root.EnumerateObject())
        {
            Require(
                Keys.Contains(property.Name), property.Name,
                $"one of {string.Join(", ", Keys)}", "an unknown key");
        }

        string id = Text("id");
        bool isName = id.Length <= Limits.NameCharsMax
            && id.All(letter => char.IsAsciiLetterOrDigit(letter) || "._-".Contains(letter));
        Require(isName, "id", "letters, digits, dots and dashes", $"\"{id}\"");
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
        };
    }

    private string AssemblyPath()
    {
        string name = Text("assembly");
        Require(
            name == Path.GetFileName(name), "assembly", "a file name without a folder",
            $"\"{name}\"");
        string path = Path.Combine(folder, name);
        Require(File.Exists(path), "assembly", $"{name} beside it", "no such file");
        return path;
    }

    private void CheckContracts()
    {
        JsonElement range = Member("contracts", JsonValueKind.Object);
        Version min = VersionOf(range, "min");
        Version max = VersionOf(range, "max");
        Require(
            min <= ContractsVersion && ContractsVersion <= max, "contracts",
            $"a range that holds {ContractsVersion}, this kernel's", $"{min} to {max}");
    }

    private Version VersionOf(JsonElement range, string key)
    {
        Version? version = null;
        bool good = range.TryGetProperty(key, out JsonElement value)
            && value.ValueKind == JsonValueKind.String
            && Version.TryParse(value.GetString(), out version);
        Require(good, $"contracts:{key}", "a version such as 0.1", "none");
        return version!;
    }

    private List<Type> Services(string key)
    {
        List<Type> services = [];
        if (!root.TryGetProperty(key, out JsonElement list))
        {
            return services;
        }

        Require(
            list.ValueKind == JsonValueKind.Array, key, "a list of names", $"{list.ValueKind}");
        foreach (JsonElement item in list.EnumerateArray())
        {
            string name = item.ValueKind == JsonValueKind.String ? item.GetString()! : "";
            Type? type = typeof(IPlugin).Assembly.GetType($"StorageOs.Contracts.Services.{name}");
            Require(
                type is { IsInterface: true }, key,
                "interfaces of StorageOs.Contracts.Services", item.GetRawText());
            services.Add(type!);
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
        Require(name is not null, key, expected, $"\"{value}\"");
        return Enum.Parse<TChoice>(name!);
    }

    private string Text(string key)
    {
        string text = Member(key, JsonValueKind.String).GetString()!;
        Require(text.Length is > 0 and <= 256, key, "1 to 256 characters", $"{text.Length}");
        return text;
    }

    private JsonElement Member(string key, JsonValueKind kind)
    {
        bool there = root.TryGetProperty(key, out JsonElement value);
        Require(
            there && value.ValueKind == kind, key, $"a JSON {kind}".ToLowerInvariant(),
            there ? $"{value.ValueKind}" : "nothing");
        return value;
    }

    private void Require(bool good, string key, string expected, string actual)
    {
        if (!good)
        {
            string subject = key.Length == 0 ? $"manifest {file}" : $"manifest {file}, key {key}";
            throw new RefusedException(new Refusal(subject, expected, actual));
        }
    }
}
