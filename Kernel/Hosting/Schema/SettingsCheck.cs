using System.Globalization;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Schema;

// By hand and not by a library: what is checked is no JSON any more. A configuration is texts by
// key, put together of a file, the environment and the command line, so "5" must pass as a number
// whichever of them it came from (docs/adr/0013).

/// <summary>
/// Holds a plugin's settings against the schema in its manifest. Pure.
/// </summary>
internal static class SettingsCheck
{
    /// <summary>What does not fit, with the configuration's key; empty when all does.</summary>
    internal static IReadOnlyList<Refusal> Of(SettingsSchema schema, IConfigurationSection section)
    {
        List<Refusal> refusals = [];
        Check(schema, section, refusals);
        return refusals;
    }

    /// <summary>What would have been expected of a scalar; null when it is good.</summary>
    internal static string? ScalarProblem(SettingsSchema schema, string? text)
    {
        if (schema.Type is SettingType.Object or SettingType.Array)
        {
            return text is null ? null : Expected(schema);
        }

        bool good = text is not null && schema.Type switch
        {
            SettingType.Boolean => bool.TryParse(text, out _),
            SettingType.Integer => long.TryParse(
                text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole)
                && InRange(schema, whole),
            SettingType.Number => decimal.TryParse(
                text, NumberStyles.Float, CultureInfo.InvariantCulture, out decimal number)
                && InRange(schema, number),
            _ => true,
        };
        bool listed = schema.Values.Count == 0 || schema.Values.Contains(
            text, schema.Type == SettingType.Boolean
                ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal);
        return good && listed ? null : Expected(schema);
    }

    private static void Check(
        SettingsSchema schema, IConfigurationSection section, List<Refusal> refusals)
    {
        IConfigurationSection[] children = [.. section.GetChildren()];
        bool isGroup = schema.Type is SettingType.Object or SettingType.Array;
        if (isGroup && section.Value is { Length: > 0 } text)
        {
            refusals.Add(RefusalOf(section.Path, Expected(schema), $"\"{text}\""));
        }
        else if (schema.Type == SettingType.Object)
        {
            CheckMembers(schema, section, children, refusals);
        }
        else if (schema.Type == SettingType.Array)
        {
            CheckItems(schema, children, refusals);
        }
        else if (children.Length > 0)
        {
            refusals.Add(RefusalOf(section.Path, Expected(schema), "a group of keys or a list"));
        }
        else if (ScalarProblem(schema, section.Value) is { } expected)
        {
            refusals.Add(RefusalOf(section.Path, expected, $"\"{section.Value}\""));
        }
    }

    private static void CheckMembers(
        SettingsSchema schema, IConfigurationSection section, IConfigurationSection[] children,
        List<Refusal> refusals)
    {
        foreach (string name in schema.Required)
        {
            IConfigurationSection member = section.GetSection(name);
            if (member.Value is null && !member.GetChildren().Any())
            {
                refusals.Add(RefusalOf(member.Path, Expected(schema.Properties[name]), "nothing"));
            }
        }

        foreach (IConfigurationSection child in children)
        {
            if (schema.Properties.TryGetValue(child.Key, out SettingsSchema? its))
            {
                if (child.Value is not null || child.GetChildren().Any())
                {
                    Check(its, child, refusals);
                }
            }
            else if (!schema.AdditionalProperties)
            {
                string known = string.Join(", ", schema.Properties.Keys);
                refusals.Add(RefusalOf(child.Path, $"one of {known}", "an unknown key"));
            }
        }
    }

    private static void CheckItems(
        SettingsSchema schema, IConfigurationSection[] children, List<Refusal> refusals)
    {
        foreach (IConfigurationSection child in children)
        {
            if (!int.TryParse(child.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _))
            {
                refusals.Add(RefusalOf(child.Path, "an item of a list", "a key of a group"));
            }
            else if (schema.Items is { } items)
            {
                Check(items, child, refusals);
            }
        }
    }

    private static bool InRange(SettingsSchema schema, decimal value) =>
        value >= (schema.Minimum ?? decimal.MinValue)
        && value <= (schema.Maximum ?? decimal.MaxValue);

    private static string Expected(SettingsSchema schema)
    {
        if (schema.Values.Count > 0)
        {
            return $"one of {string.Join(", ", schema.Values)}";
        }

        string kind = schema.Type switch
        {
            SettingType.Object => "a group of keys",
            SettingType.Array => "a list",
            SettingType.Integer => "a whole number",
            SettingType.Number => "a number",
            SettingType.Boolean => "true or false",
            _ => "a text",
        };
        return (schema.Minimum, schema.Maximum) switch
        {
            ({ } least, { } most) => $"{kind} from {least} to {most}",
            ({ } least, null) => $"{kind} of at least {least}",
            (null, { } most) => $"{kind} of at most {most}",
            _ => kind,
        };
    }

    private static Refusal RefusalOf(string path, string expected, string actual) => new(
        $"configuration, key {path}", expected, actual,
        "correct it there; the plugin's manifest says what it takes under \"settings\"");
}
