using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting.Schema;

namespace StorageOs.Kernel.Tests;

/// <summary>The subset of JSON Schema that a plugin's settings are checked by.</summary>
public sealed class SettingsSchemaTests
{
    private const string Schema = """
        {
          "type": "object", "required": ["name"], "additionalProperties": false,
          "properties": {
            "name": { "type": "string", "description": "d" },
            "count": { "type": "integer", "minimum": 1, "maximum": 9, "default": 3 },
            "share": { "type": "number", "maximum": 0.5 },
            "mode": { "type": "string", "enum": ["fast", "safe"] },
            "on": { "type": "boolean" },
            "any": { "type": "object" },
            "list": {
              "type": "array",
              "items": { "type": "object", "required": ["port"],
                         "properties": { "port": { "type": "integer" } } }
            },
            "size": { "type": "integer", "minimum": 0, "multipleOf": 512, "description": "of it" },
            "path": { "type": "string", "pattern": "^/[a-z/]*$" },
            "ways": { "type": ["string", "array"], "minItems": 1, "maxItems": 2,
                      "items": { "type": "string", "pattern": "a" } },
            "mixed": { "type": ["boolean", "integer", "object"], "maximum": 9,
                       "properties": { "x": { "type": "boolean" } } }
          }
        }
        """;

    [Theory]
    [InlineData("""{ "name": "a" }""")]
    [InlineData("""{ "name": "a", "count": 9, "share": 0.5, "mode": "safe", "on": true }""")]
    [InlineData("""{ "name": "a", "count": "9", "share": "-1e2", "on": "False" }""")]
    [InlineData("""{ "NAME": "a", "any": { "x": { "y": 1 } }, "list": [ { "port": 1 } ] }""")]
    [InlineData("""{ "name": "a", "list": [ { "port": 1, "more": 1 } ] }""")]
    [InlineData("""{ "name": "a", "size": 0, "path": "/a/b", "ways": "b" }""")]
    [InlineData("""{ "name": "a", "size": 1024, "ways": [ "ab", "ba" ], "mixed": true }""")]
    [InlineData("""{ "name": "a", "list": [ ], "mixed": 9 }""")]
    [InlineData("""{ "name": "a", "mixed": { "x": true } }""")]
    public void What_fits_passes_whatever_it_was_written_as(string settings) =>
        Assert.Empty(Check(settings));

    [Theory]
    [InlineData("{ }", "name", "a text", "nothing")]
    [InlineData("""{ "name": "a", "colour": 1 }""", "colour", "one of name, count", "unknown")]
    [InlineData("""{ "name": { "a": 1 } }""", "name", "a text", "a group")]
    [InlineData("""{ "name": "a", "count": 10 }""", "count", "from 1 to 9", "\"10\"")]
    [InlineData("""{ "name": "a", "count": 1.5 }""", "count", "a whole number", "\"1.5\"")]
    [InlineData("""{ "name": "a", "share": 0.6 }""", "share", "at most 0.5", "\"0.6\"")]
    [InlineData("""{ "name": "a", "mode": "SAFE" }""", "mode", "one of fast, safe", "\"SAFE\"")]
    [InlineData("""{ "name": "a", "on": 1 }""", "on", "true or false", "\"1\"")]
    [InlineData("""{ "name": "a", "any": 1 }""", "any", "a group of keys", "\"1\"")]
    [InlineData("""{ "name": "a", "list": 1 }""", "list", "a list", "\"1\"")]
    [InlineData("""{ "name": "a", "list": { "a": 1 } }""", "list:a", "an item", "a key")]
    [InlineData("""{ "name": "a", "list": [ { } , { "x": 1 } ] }""", "list:1:port", "whole", "no")]
    [InlineData("""{ "name": "a", "size": 513 }""", "size", "0, a multiple of 512", "\"513\"")]
    [InlineData("""{ "name": "a", "size": -512 }""", "size", "of at least 0", "\"-512\"")]
    [InlineData("""{ "name": "a", "path": "a/b" }""", "path", "that fits ^/[a-z/]*$", "\"a/b\"")]
    [InlineData("""{ "name": "a", "path": "/a\n" }""", "path", "that fits", "/a")]
    [InlineData("""{ "name": "a", "ways": ["a","a","a"] }""", "ways", "a list of 1 to 2", "3")]
    [InlineData("""{ "name": "a", "ways": ["b"] }""", "ways:0", "a text that fits a", "\"b\"")]
    [InlineData("""{ "name": "a", "ways": { "x": "a" } }""", "ways:x", "an item", "a key")]
    [InlineData("""{ "name": "a", "mixed": 10 }""", "mixed", "or a whole number", "\"10\"")]
    [InlineData("""{ "name": "a", "mixed": { "x": 1 } }""", "mixed:x", "true or false", "\"1\"")]
    public void What_does_not_fit_is_refused_by_its_key(
        string settings, string key, string expected, string found)
    {
        IReadOnlyList<Refusal> refusals = Check(settings);
        Refusal refusal = refusals.First(
            refusal => refusal.Subject == $"configuration, key plugins:settings:it:{key}");
        Assert.Contains(expected, refusal.Expected, StringComparison.Ordinal);
        Assert.Contains(found, refusal.Actual, StringComparison.Ordinal);
    }

    [Fact]
    public void A_refusal_says_what_the_key_is_for() => Assert.Equal(
        "correct it there: of it", Check("""{ "name": "a", "size": 1 }""")[0].Remedy);

    [Theory]
    [InlineData("""{ "type": "array" }""", "settings:type")]
    [InlineData("""{ "type": ["object", "array"] }""", "settings:type")]
    [InlineData("""{ "type": "object", "description": 1 }""", "settings:description")]
    [InlineData(
        """{ "type": "object", "properties": { "a": { "type": "string", "pattern": "[" } } }""",
        "settings:a:pattern")]
    [InlineData(
        """{ "type": "object", "properties": { "a": { "type": "number", "multipleOf": 0 } } }""",
        "settings:a:multipleOf")]
    [InlineData("""{ }""", "settings:type")]
    [InlineData("""[ ]""", "settings")]
    [InlineData("""{ "type": "object", "oneOf": [] }""", "settings:oneOf")]
    [InlineData("""{ "type": "object", "required": ["a"] }""", "settings:required")]
    [InlineData("""{ "type": "object", "additionalProperties": 1 }""", "settings:additionalProp")]
    [InlineData("""{ "type": "object", "properties": { "a": 1 } }""", "settings:a")]
    [InlineData("""{ "type": "object", "properties": { "a": { "type": "null" } } }""", "s:a:type")]
    [InlineData(
        """{ "type": "object", "properties": { "a": { "type": "integer", "default": "x" } } }""",
        "settings:a:default")]
    [InlineData(
        """
        { "type": "object",
          "properties": { "a": { "type": "integer", "minimum": 2, "maximum": 1 } } }
        """,
        "settings:a:maximum")]
    [InlineData(
        """{ "type": "object", "properties": { "a": { "type": "string", "enum": [] } } }""",
        "settings:a:enum")]
    public void A_schema_outside_the_subset_is_refused(string schema, string key)
    {
        List<string> keys = [];
        _ = Read(schema, (where, _, _) => keys.Add(where));
        Assert.Contains(keys, where => where.Contains(key, StringComparison.Ordinal));
    }

    private static IReadOnlyList<Refusal> Check(string settings)
    {
        using MemoryStream text = new(Encoding.UTF8.GetBytes(
            $$"""{ "plugins": { "settings": { "it": {{settings}} } } }"""));
        IConfiguration configuration = new ConfigurationBuilder().AddJsonStream(text).Build();
        SettingsSchema schema = Read(
            Schema, (key, expected, actual) => Assert.Fail($"{key}: {expected}, {actual}"));
        return SettingsCheck.Of(schema, configuration.GetSection("plugins:settings:it"));
    }

    private static SettingsSchema Read(string schema, Action<string, string, string> refuse)
    {
        using JsonDocument document = JsonDocument.Parse(schema);
        return new SettingsSchemaReader(refuse).Read(document.RootElement, "settings");
    }
}
