using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Tests;

/// <summary>
/// The published schema of manifests says what the reader does. Each manifest goes through both:
/// the reader, and a validator of JSON Schema that we have not written.
/// </summary>
public sealed class ManifestSchemaTests : IDisposable
{
    private const string Good = """
        {
          "$schema": "x", "id": "acme.good", "version": "1.0.0", "kind": "client",
          "description": "d", "maturity": "preview", "assembly": "good.dll", "type": "T",
          "contracts": { "min": "0.1", "max": "0.1" }, "provides": [],
          "requires": ["IVolumes"], "uses": ["IWitness"], "reactor": "own", "restart": false,
          "isolation": "none", "capabilities": ["operate"], "load": "configured", "critical": true,
          "limits": { "memory": "64M", "ports": 2, "posts": 9, "logLines": 9 },
          "settings": { "type": "object", "required": ["a"], "additionalProperties": false,
            "properties": { "a": { "type": "integer", "minimum": 1, "maximum": 3, "default": 2 },
              "b": { "type": "array", "items": { "type": "string", "enum": ["x"] } },
              "e": { "type": ["string", "array"], "minItems": 1, "maxItems": 2, "pattern": "^c" },
              "f": { "type": "number", "multipleOf": 0.5 } } },
          "files": { "good.dll":
            "0000000000000000000000000000000000000000000000000000000000000000" }
        }
        """;

    private static readonly string Root =
        Path.GetFullPath(Path.Combine(SourceFolder(), "..", ".."));

    private static readonly JsonSchema Schema = JsonSchema.FromText(
        File.ReadAllText(Path.Combine(Root, "sdk", "plugin.schema.json")));

    private readonly TestFolder folder = new();

    public ManifestSchemaTests() => File.WriteAllText(folder.File("good.dll"), "");

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_schema_has_the_keys_of_the_reader()
    {
        JsonNode schema = JsonNode.Parse(
            File.ReadAllText(Path.Combine(Root, "sdk", "plugin.schema.json")))!;
        Assert.Equal(
            ManifestReader.Keys.Order(StringComparer.Ordinal),
            schema["properties"]!.AsObject().Select(p => p.Key).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_manifest_of_the_repository_is_one_by_the_schema_and_by_the_reader()
    {
        string[] manifests =
        [
            .. new[] { "Plugins", "samples", "bench", "sdk" }
                .Select(name => Path.Combine(Root, name)).Where(Directory.Exists)
                .SelectMany(path => Directory.EnumerateFiles(
                    path, "plugin.json", SearchOption.AllDirectories))
                .Where(path => !path.Contains("/bin/") && !path.Contains("/obj/")),
        ];
        Assert.True(manifests.Length >= 12, $"{manifests.Length} manifests");
        foreach (string path in manifests)
        {
            string text = File.ReadAllText(path);
            if (text.Contains("SosPlugin", StringComparison.Ordinal))
            {
                continue; // A template's, whose names are filled in later.
            }

            JsonNode manifest = JsonNode.Parse(text)!;
            File.WriteAllText(folder.File($"{manifest["assembly"]}"), "");
            Assert.True(IsValid(text), $"{path} does not fit the schema");
            Assert.True(Read(text) is [], $"{path}: {string.Join("; ", Read(text))}");
            if ($"{manifest["contracts"]!["min"]}" == "0.1")
            {
                RequireOldKeywords(path, manifest);
            }
        }
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("\"64M\"", "67108864")]
    [InlineData("\"requires\": [\"IVolumes\"], \"uses\": [\"IWitness\"]", "\"requires\": []")]
    [InlineData("\"own\"", "\"storage\"")] // and then restart may not be false: see below
    public void What_is_good_is_good_by_both(string text, string replacement)
    {
        string manifest = text.Length == 0 ? Good : Good.Replace(text, replacement)
            .Replace("\"restart\": false", "\"restart\": true");
        Assert.True(IsValid(manifest));
        Assert.Empty(Read(manifest));
    }

    [Theory]
    [InlineData("\"id\": \"acme.good\",", "")]
    [InlineData("\"version\": \"1.0.0\",", "")]
    [InlineData("\"kind\": \"client\",", "")]
    [InlineData("\"assembly\": \"good.dll\",", "")]
    [InlineData("\"type\": \"T\",", "")]
    [InlineData("\"contracts\": { \"min\": \"0.1\", \"max\": \"0.1\" },", "")]
    [InlineData("\"max\": \"0.1\"", "\"most\": \"0.1\"")]
    [InlineData("\"min\": \"0.1\"", "\"min\": \"one\"")]
    [InlineData("\"description\"", "\"describes\"")]
    [InlineData("acme.good", ".good")]
    [InlineData("acme.good", "acme/good")]
    [InlineData("\"client\"", "\"core\"")]
    [InlineData("\"good.dll\",", "\"bin/good.dll\",")]
    [InlineData("\"preview\"", "\"beta\"")]
    [InlineData("\"own\"", "\"mine\"")]
    [InlineData("[\"IVolumes\"]", "\"IVolumes\"")]
    [InlineData("[\"IVolumes\"]", "[5]")]
    [InlineData("\"restart\": false", "\"restart\": \"no\"")]
    [InlineData("\"none\"", "\"container\"")]
    [InlineData("\"ports\": 2", "\"heap\": \"much\"")]
    [InlineData("\"64M\"", "\"64 MB\"")]
    [InlineData("\"64M\"", "-1")]
    [InlineData("\"ports\": 2", "\"ports\": \"2\"")]
    [InlineData("\"ports\": 2", "\"threads\": 2")]
    [InlineData("\"ports\": 2", "\"posts\": -1")]
    [InlineData("\"ports\": 2", "\"logLines\": 0")]
    [InlineData("\"ports\": 2", "\"logLines\": 60001")]
    [InlineData("\"minimum\": 1", "\"least\": 1")]
    [InlineData("\"minimum\": 1", "\"minimum\": \"1\"")]
    [InlineData("{ \"type\": \"object\"", "{ \"type\": \"array\"")]
    [InlineData("[\"string\", \"array\"]", "[]")]
    [InlineData("[\"string\", \"array\"]", "[\"string\", \"string\"]")]
    [InlineData("[\"string\", \"array\"]", "[\"string\", \"null\"]")]
    [InlineData("\"minItems\": 1", "\"minItems\": -1")]
    [InlineData("\"maxItems\": 2", "\"maxItems\": \"2\"")]
    [InlineData("\"maxItems\": 2", "\"maxItems\": 2147483648")]
    [InlineData("\"pattern\": \"^c\"", "\"pattern\": 5")]
    [InlineData("0.5", "0")]
    [InlineData("[\"x\"]", "[]")]
    [InlineData("[\"x\"]", "[[]]")]
    [InlineData("00\"", "0\"")]
    [InlineData("00\"", "0A\"")]
    [InlineData("{ \"good.dll\":", "{ \"gööd.dll\":")]
    public void What_is_wrong_is_wrong_by_both(string text, string replacement)
    {
        string manifest = Good.Replace(text, replacement, StringComparison.Ordinal);
        Assert.NotEqual(Good, manifest);
        Assert.NotEmpty(Read(manifest));
        Assert.False(IsValid(manifest), "the schema lets it pass");
    }

    [Theory]
    [InlineData("\"restart\": false", "\"reactor\": \"storage\", \"restart\": false", "\"own\", ", "")]
    [InlineData("\"none\"", "\"process\"", "", "")] // It takes services of others.
    [InlineData("\"ports\": 2", "\"heap\": \"64M\"", "", "")] // It has no process.
    [InlineData("\"good.dll\":", "\"../good.dll\":", "", "")]
    [InlineData("\"good.dll\":", "\"plugin.json\":", "", "")]
    [InlineData("\"maximum\": 3", "\"maximum\": 0", "", "")]
    [InlineData("\"default\": 2", "\"default\": 4", "", "")]
    [InlineData("\"maxItems\": 2", "\"maxItems\": 0", "", "")]
    [InlineData("\"^c\"", "\"(\"", "", "")]
    [InlineData("\"^c\"", "\"(?=c)c\"", "", "")] // It could take for ever.
    [InlineData("[\"a\"]", "[\"c\"]", "", "")]
    [InlineData("\"id\":", "\"id\": \"twice\", \"id\":", "", "")]
    public void What_the_schema_cannot_say_the_reader_refuses(
        string text, string replacement, string more, string moreReplacement)
    {
        string manifest = Good.Replace(text, replacement, StringComparison.Ordinal);
        if (more.Length > 0)
        {
            manifest = manifest.Replace("\"reactor\": " + more, moreReplacement);
        }

        Assert.NotEqual(Good, manifest);
        Assert.NotEmpty(Read(manifest));
    }

    /// <summary>
    /// A kernel of 0.1 refuses a manifest with other keywords, and a transport by what its options
    /// need, which it looks for elsewhere.
    /// </summary>
    private static void RequireOldKeywords(string path, JsonNode manifest)
    {
        string settings = manifest["settings"]?.ToJsonString() ?? "";
        Assert.All(
            (string[])["minItems", "maxItems", "multipleOf", "pattern", "type\":["],
            keyword => Assert.False(settings.Contains($"\"{keyword}"), $"{path}: {keyword}"));
        Assert.False(
            $"{manifest["kind"]}" == "transport" && settings.Contains("\"required\""), path);
    }

    private static bool IsValid(string manifest)
    {
        using JsonDocument document = JsonDocument.Parse(manifest);
        return Schema.Evaluate(document.RootElement).IsValid;
    }

    private IReadOnlyList<Finding> Read(string manifest) =>
        ManifestReader.Read(Encoding.UTF8.GetBytes(manifest), folder.Path, out _);

    private static string SourceFolder([CallerFilePath] string file = "") =>
        Path.GetDirectoryName(file)!;
}
