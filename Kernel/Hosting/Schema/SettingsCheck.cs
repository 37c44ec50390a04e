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
        SettingType[] scalars = [.. schema.Types.Where(IsScalar)];
        if (scalars.Length == 0)
        {
            return text is null ? null : SettingsWords.Expected(schema);
        }

        bool listed = schema.Values.Count == 0 || schema.Values.Contains(
            text, schema.Is(SettingType.Boolean)
                ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal);
        return text is not null && listed && scalars.Any(type => Fits(schema, type, text))
            ? null : SettingsWords.Expected(schema);
    }

    private static bool IsScalar(SettingType type) =>
        type is not (SettingType.Object or SettingType.Array);

    private static bool Fits(SettingsSchema schema, SettingType type, string text) => type switch
    {
        SettingType.Boolean => bool.TryParse(text, out _),
        SettingType.Integer => long.TryParse(
            text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole)
            && InRange(schema, whole),
        SettingType.Number => decimal.TryParse(
            text, NumberStyles.Float, CultureInfo.InvariantCulture, out decimal number)
            && InRange(schema, number),
        _ => schema.Pattern?.IsMatch(text) != false,
    };

    private static void Check(
        SettingsSchema schema, IConfigurationSection section, List<Refusal> refusals)
    {
        IConfigurationSection[] children = [.. section.GetChildren()];
        bool isGroup = schema.Types.Any(static type => !IsScalar(type));
        // An empty list or group comes as a key without a value.
        bool isEmpty = string.IsNullOrEmpty(section.Value) && !schema.Types.Any(IsScalar);
        if (isGroup && (children.Length > 0 || isEmpty))
        {
            CheckGroup(schema, section, children, refusals);
        }
        else if (children.Length > 0)
        {
            Refuse(schema, section, "a group of keys or a list", refusals);
        }
        else if (ScalarProblem(schema, section.Value) is not null)
        {
            Refuse(schema, section, $"\"{section.Value}\"", refusals);
        }
    }

    private static void CheckGroup(
        SettingsSchema schema, IConfigurationSection section, IConfigurationSection[] children,
        List<Refusal> refusals)
    {
        if (schema.Is(SettingType.Object)
            && (!schema.Is(SettingType.Array) || !children.All(IsItem)))
        {
            CheckMembers(schema, section, children, refusals);
        }
        else
        {
            CheckItems(schema, section, children, refusals);
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
                Refuse(schema.Properties[name], member, "nothing", refusals);
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
                refusals.Add(RefusalOf(
                    child, schema.Properties.Count == 0 ? "no key" : $"one of {known}",
                    "an unknown key"));
            }
        }
    }

    private static void CheckItems(
        SettingsSchema schema, IConfigurationSection section, IConfigurationSection[] children,
        List<Refusal> refusals)
    {
        if (children.Length < schema.MinItems || children.Length > schema.MaxItems)
        {
            Refuse(schema, section, $"{children.Length}", refusals);
        }

        foreach (IConfigurationSection child in children)
        {
            if (!IsItem(child))
            {
                refusals.Add(RefusalOf(child, "an item of a list", "a key of a group"));
            }
            else if (schema.Items is { } items)
            {
                Check(items, child, refusals);
            }
        }
    }

    private static bool IsItem(IConfigurationSection child) =>
        int.TryParse(child.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _);

    private static bool InRange(SettingsSchema schema, decimal value) =>
        value >= (schema.Minimum ?? decimal.MinValue)
        && value <= (schema.Maximum ?? decimal.MaxValue)
        && (schema.MultipleOf is not { } unit || value % unit == 0);

    private static void Refuse(
        SettingsSchema schema, IConfigurationSection section, string actual,
        List<Refusal> refusals) => refusals.Add(
            RefusalOf(section, SettingsWords.Expected(schema), actual, schema.Description));

    private static Refusal RefusalOf(
        IConfigurationSection section, string expected, string actual, string description = "") =>
        new(
            $"configuration, key {section.Path}", expected, actual,
            description.Length > 0
                ? $"correct it there: {description}"
                : "correct it there; the plugin's manifest says what it takes under \"settings\"");
}
