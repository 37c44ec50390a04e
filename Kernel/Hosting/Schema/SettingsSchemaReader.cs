using System.Text.Json;
using System.Text.RegularExpressions;

namespace StorageOs.Kernel.Hosting.Schema;

/// <summary>
/// Reads a schema out of a manifest. A keyword outside the subset is refused: one that was passed
/// over would promise a check that nobody makes.
/// </summary>
/// <param name="refuse">Takes key, expectation and what was found.</param>
internal sealed class SettingsSchemaReader(Action<string, string, string> refuse)
{
    private const int DepthMax = 8;

    private static readonly string[] Keywords =
    [
        "type", "description", "properties", "required", "additionalProperties", "items",
        "minItems", "maxItems", "minimum", "maximum", "multipleOf", "pattern", "enum", "default",
    ];

    /// <summary>Reads the schema of a plugin's whole settings, which are an object.</summary>
    internal SettingsSchema Read(JsonElement element, string key)
    {
        SettingsSchema schema = Read(element, key, depth: 0);
        Require(
            schema.Types is [SettingType.Object], $"{key}:type", "\"object\"",
            string.Join(", ", schema.Types.Select(Name)));
        return schema;
    }

    private SettingsSchema Read(JsonElement element, string key, int depth)
    {
        if (!Require(
                element.ValueKind == JsonValueKind.Object && depth < DepthMax, key,
                $"an object, at most {DepthMax} deep", $"{element.ValueKind} at {depth}"))
        {
            return SettingsSchema.Anything;
        }

        foreach (JsonProperty keyword in element.EnumerateObject())
        {
            Require(
                Keywords.Contains(keyword.Name), $"{key}:{keyword.Name}",
                $"one of {string.Join(", ", Keywords)}", "another keyword");
        }

        SettingsSchema schema = new(Types(element, key))
        {
            Description = Description(element, key),
            Default = element.TryGetProperty("default", out JsonElement usual)
                ? TextOf(usual) : null,
            Properties = Properties(element, key, depth),
            Required = Texts(element, key, "required"),
            AdditionalProperties = Flag(element, key, "additionalProperties"),
            Items = element.TryGetProperty("items", out JsonElement items)
                ? Read(items, $"{key}:items", depth + 1) : null,
            MinItems = Count(element, key, "minItems"),
            MaxItems = Count(element, key, "maxItems"),
            Minimum = Bound(element, key, "minimum"),
            Maximum = Bound(element, key, "maximum"),
            MultipleOf = Bound(element, key, "multipleOf"),
            Pattern = Pattern(element, key, out string? pattern),
            PatternText = pattern,
            Values = Values(element, key),
        };
        CheckTogether(schema, element, key);
        return schema;
    }

    private void CheckTogether(SettingsSchema schema, JsonElement element, string key)
    {
        if (schema.Required.FirstOrDefault(
                name => !schema.Properties.ContainsKey(name)) is { } missing)
        {
            refuse($"{key}:required", "names of its properties", $"\"{missing}\"");
        }

        Require(
            schema.Minimum is null || schema.Maximum is null || schema.Minimum <= schema.Maximum,
            $"{key}:maximum", $"at least {schema.Minimum}", $"{schema.Maximum}");
        Require(
            !(schema.MinItems > schema.MaxItems), $"{key}:maxItems", $"at least {schema.MinItems}",
            $"{schema.MaxItems}");
        Require(
            !(schema.MultipleOf <= 0), $"{key}:multipleOf", "a number above 0",
            $"{schema.MultipleOf}");
        if (element.TryGetProperty("default", out JsonElement value)
            && SettingsCheck.ScalarProblem(schema, TextOf(value)) is { } expected)
        {
            refuse($"{key}:default", expected, value.GetRawText());
        }
    }

    private List<SettingType> Types(JsonElement element, string key)
    {
        _ = element.TryGetProperty("type", out JsonElement said);
        JsonElement[] names = said.ValueKind == JsonValueKind.Array
            ? [.. said.EnumerateArray()] : [said];
        List<SettingType> types = [];
        foreach (JsonElement name in names)
        {
            string? text = name.ValueKind == JsonValueKind.String ? name.GetString() : null;
            SettingType[] all = Enum.GetValues<SettingType>();
            int found = Array.FindIndex(all, one => Name(one) == text);
            if (Require(
                    found >= 0 && !types.Contains(all[found]), $"{key}:type",
                    string.Join(" or ", all.Select(Name)) + ", each once",
                    text is null ? "none" : $"\"{text}\""))
            {
                types.Add(all[found]);
            }
        }

        Require(names.Length > 0, $"{key}:type", "at least one", "none");
        return types.Count > 0 ? types : [SettingType.Object];
    }

    private string Description(JsonElement element, string key) =>
        element.TryGetProperty("description", out JsonElement text)
        && Require(
            text.ValueKind == JsonValueKind.String, $"{key}:description", "a text",
            $"{text.ValueKind}") ? text.GetString()! : "";

    private Dictionary<string, SettingsSchema> Properties(
        JsonElement element, string key, int depth)
    {
        // Keys of a configuration are the same in upper and lower case.
        Dictionary<string, SettingsSchema> properties = new(StringComparer.OrdinalIgnoreCase);
        if (!element.TryGetProperty("properties", out JsonElement all))
        {
            return properties;
        }

        if (Require(
                all.ValueKind == JsonValueKind.Object, $"{key}:properties", "an object",
                $"{all.ValueKind}"))
        {
            foreach (JsonProperty property in all.EnumerateObject())
            {
                string path = $"{key}:{property.Name}";
                Require(
                    properties.TryAdd(property.Name, Read(property.Value, path, depth + 1)), path,
                    "a name of its own, whatever its case", "the same twice");
            }
        }

        return properties;
    }

    private List<string> Texts(JsonElement element, string key, string keyword)
    {
        List<string> texts = [];
        if (element.TryGetProperty(keyword, out JsonElement list)
            && Require(
                list.ValueKind == JsonValueKind.Array, $"{key}:{keyword}", "a list of texts",
                $"{list.ValueKind}"))
        {
            foreach (JsonElement item in list.EnumerateArray())
            {
                if (Require(
                        item.ValueKind == JsonValueKind.String, $"{key}:{keyword}", "texts",
                        $"{item.ValueKind}"))
                {
                    texts.Add(item.GetString()!);
                }
            }
        }

        return texts;
    }

    private List<string> Values(JsonElement element, string key)
    {
        List<string> values = [];
        if (element.TryGetProperty("enum", out JsonElement list)
            && Require(
                list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0,
                $"{key}:enum", "a list of values", $"{list.ValueKind}"))
        {
            foreach (JsonElement item in list.EnumerateArray())
            {
                if (Require(
                        TextOf(item) is not null, $"{key}:enum", "texts, numbers, true or false",
                        $"{item.ValueKind}"))
                {
                    values.Add(TextOf(item)!);
                }
            }
        }

        return values;
    }

    private int? Count(JsonElement element, string key, string keyword)
    {
        if (!element.TryGetProperty(keyword, out JsonElement value))
        {
            return null;
        }

        int count = 0;
        bool good = value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out count)
            && count >= 0;
        return Require(good, $"{key}:{keyword}", "a whole number", value.GetRawText())
            ? count : null;
    }

    /// <summary>
    /// Of the kind that takes a time linear in the text: a plugin's pattern must not hold up the
    /// node that checks settings by it.
    /// </summary>
    private Regex? Pattern(JsonElement element, string key, out string? text)
    {
        const string Keyword = "pattern";
        text = null;
        if (!element.TryGetProperty(Keyword, out JsonElement value) || !Require(
            value.ValueKind == JsonValueKind.String, $"{key}:{Keyword}", "a text",
            $"{value.ValueKind}"))
        {
            return null;
        }

        // There, $ is the end alone, and here it is also before a last line feed.
        text = value.GetString()!;
        bool ends = text.EndsWith('$') && !text.EndsWith("\\$", StringComparison.Ordinal);
        try
        {
            return new Regex(
                ends ? text[..^1] + "\\z" : text,
                RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception failure) when (failure is ArgumentException or NotSupportedException)
        {
            refuse(
                $"{key}:{Keyword}", "a regular expression without lookaround and back references",
                $"\"{text}\"");
            return null;
        }
    }

    private decimal? Bound(JsonElement element, string key, string keyword)
    {
        if (!element.TryGetProperty(keyword, out JsonElement value))
        {
            return null;
        }

        decimal bound = 0;
        bool good = value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out bound);
        return Require(good, $"{key}:{keyword}", "a number", $"{value.ValueKind}") ? bound : null;
    }

    private bool Flag(JsonElement element, string key, string keyword) =>
        !element.TryGetProperty(keyword, out JsonElement value)
        || !Require(
            value.ValueKind is JsonValueKind.True or JsonValueKind.False, $"{key}:{keyword}",
            "true or false", $"{value.ValueKind}")
        || value.GetBoolean();

    private bool Require(bool good, string key, string expected, string actual)
    {
        if (!good)
        {
            refuse(key, expected, actual);
        }

        return good;
    }

    /// <summary>A scalar as the configuration would hold it; null for what is none.</summary>
    private static string? TextOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        _ => null,
    };

    private static string Name(SettingType type) => type.ToString().ToLowerInvariant();
}
