// Says at build time what a node would say when it reads the manifest, by the node's own reader,
// and some of what it would say only when it loads the plugin. What the build knows better, it
// says here in its own words, with the line.
using System.Text.Json;
using StorageOs.Kernel;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Plugin.Sdk;

/// <summary>Checks one manifest. Pure.</summary>
internal sealed class ManifestCheck
{
    private const int TextCharsMax = 256;

    /// <summary>Keys of a source manifest; a bundle's has its files as well.</summary>
    internal static IReadOnlyList<string> Keys { get; } =
        [.. ManifestReader.Keys.Where(static key => key != ManifestReader.FilesKey)];

    // All of it is said here: most is held against what is built, of which the node's reader does
    // not know.
    private static readonly string[] SaidHere =
        ["assembly", "contracts", "provides", "requires", "uses", "reactor"];

    private readonly JsonElement root;
    private readonly PluginFacts facts;
    private readonly IReadOnlyDictionary<string, int> lines;
    private readonly List<Finding> findings = [];

    private ManifestCheck(
        JsonElement root, PluginFacts facts, IReadOnlyDictionary<string, int> lines)
    {
        this.root = root;
        this.facts = facts;
        this.lines = lines;
    }

    /// <summary>What is wrong with a manifest; nothing when it is good.</summary>
    internal static IReadOnlyList<Finding> Of(ReadOnlyMemory<byte> text, PluginFacts facts)
    {
        if (text.Length > Limits.ManifestBytesMax)
        {
            return [new("", $"at most {Limits.ManifestBytesMax} bytes", $"{text.Length}")];
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                return [new("", "a JSON object", $"{document.RootElement.ValueKind}", 1)];
            }

            ManifestCheck check = new(document.RootElement, facts, Lines(text.Span));
            check.CheckAll();
            check.AskReader(text);
            return check.findings;
        }
        catch (JsonException wrong)
        {
            return [new("", "JSON", wrong.Message, (int)(wrong.LineNumber ?? 0) + 1)];
        }
        catch (InvalidOperationException wrong)
        {
            return [new("", "texts that are Unicode", wrong.Message)];
        }
    }

    /// <summary>Adds what the node's reader says of keys that nothing was said of yet.</summary>
    private void AskReader(ReadOnlyMemory<byte> text)
    {
        HashSet<string> said = [.. findings.Select(static finding => finding.Key), .. SaidHere];
        if (findings.Any(static finding => finding.Key is "kind" or "reactor"))
        {
            _ = said.Add("restart"); // What it may be follows from those.
        }

        bool none = findings.Count == 0;
        string begin = $"manifest {ManifestReader.FileName}, key ";
        foreach (Kernel.Hosting.Finding finding in ManifestReader.Read(text, "", out _))
        {
            string subject = finding.Refusal.Subject;
            bool hasKey = subject.StartsWith(begin, StringComparison.Ordinal);
            string key = hasKey ? subject[begin.Length..] : "";
            string top = key.Split(':')[0];
            if (hasKey ? !said.Contains(top) : none)
            {
                findings.Add(new(
                    key, finding.Refusal.Expected, finding.Refusal.Actual,
                    lines.GetValueOrDefault(top)));
            }
        }
    }

    // Of each key of the outermost object, the line of its last occurrence: the one that counts.
    private static Dictionary<string, int> Lines(ReadOnlySpan<byte> text)
    {
        Dictionary<string, int> lines = [];
        Utf8JsonReader reader = new(text);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1)
            {
                int before = text[..(int)reader.TokenStartIndex].Count((byte)'\n');
                lines[reader.GetString()!] = before + 1;
            }
        }

        return lines;
    }

    private void CheckAll()
    {
        foreach (JsonProperty property in root.EnumerateObject())
        {
            Require(
                property.Name != "files", property.Name, "nothing",
                "a list of files, which the bundle is given when it is made");
            Require(
                Keys.Contains(property.Name) || property.Name == "files", property.Name,
                $"one of {string.Join(", ", Keys)}", "an unknown key");
        }

        foreach (IGrouping<string, JsonProperty> same in
            root.EnumerateObject().GroupBy(static property => property.Name))
        {
            Require(same.Count() == 1, same.Key, "it once", $"{same.Count()} times");
        }

        CheckNames();
        CheckKind();
        CheckContracts();
        CheckCode();
        foreach (string key in new[] { "provides", "requires", "uses" })
        {
            CheckServices(key);
        }
    }

    private void CheckNames()
    {
        if (Text("id") is { } id)
        {
            Require(
                PluginPath.IsName(id), "id",
                $"at most {Limits.NameCharsMax} letters, digits, dots and dashes", $"\"{id}\"");
        }

        if (Text("version") is { } version)
        {
            // A part of the bundle's file name.
            Require(
                PluginPath.IsVersion(version), "version",
                "a digit, then letters, digits, dots, dashes and plus signs",
                $"\"{version}\"");
        }
    }

    private void CheckKind()
    {
        string? kind = Choice("kind", required: true, "transport", "client", "witness");
        string? reactor = Choice("reactor", required: false, "kernel", "storage", "own");
        if (kind is not null)
        {
            bool isTransport = kind == "transport";
            Require(
                isTransport == (reactor == "kernel"), "reactor",
                isTransport ? "kernel, for a transport" : "storage or own, for no transport",
                reactor ?? "nothing");
        }
    }

    private void CheckContracts()
    {
        if (Member("contracts", JsonValueKind.Object) is not { } range)
        {
            return;
        }

        Version? min = VersionOf(range, "min");
        Version? max = VersionOf(range, "max");
        if (min is not null && max is not null)
        {
            Require(
                min <= facts.Contracts && facts.Contracts <= max, "contracts",
                $"a range that holds {facts.Contracts}, which this is built against",
                $"{min} to {max}");
        }
    }

    private Version? VersionOf(JsonElement range, string key)
    {
        Version? version = null;
        bool good = range.TryGetProperty(key, out JsonElement value)
            && value.ValueKind == JsonValueKind.String
            && Version.TryParse(value.GetString(), out version);
        Require(
            good, "contracts", $"\"{key}\" with a version such as 0.2",
            value.ValueKind == JsonValueKind.Undefined ? "nothing" : value.GetRawText());
        return version;
    }

    private void CheckCode()
    {
        if (Text("assembly") is { } assembly)
        {
            Require(
                assembly == facts.Assembly, "assembly", $"{facts.Assembly}, which is built here",
                $"\"{assembly}\"");
        }

        if (Text("type") is { } type)
        {
            Require(
                facts.Classes.Contains(type), "type",
                $"a class of {facts.Assembly} that is not abstract, such as "
                + (facts.Plugins.FirstOrDefault() ?? "one that implements IPlugin"),
                $"\"{type}\"");
        }
    }

    private void CheckServices(string key)
    {
        if (!root.TryGetProperty(key, out _)
            || Member(key, JsonValueKind.Array) is not { } list)
        {
            return;
        }

        foreach (JsonElement item in list.EnumerateArray())
        {
            bool known = item.ValueKind == JsonValueKind.String
                && facts.Services.Contains(item.GetString());
            Require(
                known, key, $"some of {string.Join(", ", facts.Services.Order())}",
                item.GetRawText());
        }
    }

    private string? Choice(string key, bool required, params string[] choices)
    {
        if (!required && !root.TryGetProperty(key, out _))
        {
            return null;
        }

        if (Text(key) is not { } value)
        {
            return null;
        }

        string? choice = choices.FirstOrDefault(
            name => name.Equals(value, StringComparison.OrdinalIgnoreCase));
        Require(choice is not null, key, string.Join(" or ", choices), $"\"{value}\"");
        return choice;
    }

    private string? Text(string key)
    {
        if (Member(key, JsonValueKind.String) is not { } value)
        {
            return null;
        }

        string text = value.GetString()!;
        bool good = text.Length is > 0 and <= TextCharsMax;
        Require(good, key, $"1 to {TextCharsMax} characters", $"{text.Length}");
        return good ? text : null;
    }

    private JsonElement? Member(string key, JsonValueKind kind)
    {
        bool there = root.TryGetProperty(key, out JsonElement value);
        bool good = there && value.ValueKind == kind;
        Require(
            good, key, $"a JSON {kind}".ToLowerInvariant().Replace("json", "JSON"),
            there ? value.GetRawText() : "nothing");
        return good ? value : null;
    }

    private void Require(bool good, string key, string expected, string found)
    {
        if (!good)
        {
            findings.Add(new(key, expected, found, lines.GetValueOrDefault(key)));
        }
    }
}
