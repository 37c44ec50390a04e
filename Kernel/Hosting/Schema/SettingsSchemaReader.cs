using System.Text.Json;

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
        "minimum", "maximum", "enum", "default",
    ];

    /// <summary>Reads the schema of a plugin's whole settings, which are an object.</summary>
    internal SettingsSchema Read(JsonElement element, string key)
    {
        SettingsSchema schema = Read(element, key, depth: 0);
        Require(
            schema.Type == SettingType.Object, $"{key}:type", "\"object\"",
            Name(schema.Type));
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

        SettingsSchema schema = new(TypeOf(element, key))
        {
            Properties = Properties(element, key, depth),
            Required = Texts(element, key, "required"),
            AdditionalProperties = Flag(element, key, "additionalProperties"),
            Items = element.TryGetProperty("items", out JsonElement items)
                ? Read(items, $"{key}:items", depth + 1) : null,
            Minimum = Bound(element, key, "minimum"),
            Maximum = Bound(element, key, "maximum"),
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
        if (element.TryGetProperty("default", out JsonElement value)
            && SettingsCheck.ScalarProblem(schema, TextOf(value)) is { } expected)
        {
            refuse($"{key}:default", expected, value.GetRawText());
        }
    }

    private SettingType TypeOf(JsonElement element, string key)
    {
        string? text = element.TryGetProperty("type", out JsonElement type)
            && type.ValueKind == JsonValueKind.String ? type.GetString() : null;
        SettingType[] all = Enum.GetValues<SettingType>();
        int found = Array.FindIndex(all, one => Name(one) == text);
        Require(
            found >= 0, $"{key}:type", string.Join(" or ", all.Select(Name)),
            text is null ? "none" : $"\"{text}\"");
        return found < 0 ? SettingType.Object : all[found];
    }

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
