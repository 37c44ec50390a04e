namespace StorageOs.Kernel.Hosting.Schema;

/// <summary>A schema in words, as refusals and docs/CONFIGURATION.md have it.</summary>
internal static class SettingsWords
{
    /// <summary>What a value must be.</summary>
    internal static string Expected(SettingsSchema schema) => schema.Values.Count > 0
        ? $"one of {string.Join(", ", schema.Values)}"
        : string.Join(" or ", schema.Types.Select(type => Expected(schema, type)));

    private static string Expected(SettingsSchema schema, SettingType type) => type switch
    {
        SettingType.Object => "a group of keys",
        SettingType.Array => "a list" + Between(schema.MinItems, schema.MaxItems, "of "),
        SettingType.Integer => "a whole number" + Number(schema),
        SettingType.Number => "a number" + Number(schema),
        SettingType.Boolean => "true or false",
        _ => "a text" + (schema.PatternText is { } pattern ? $" that fits {pattern}" : ""),
    };

    private static string Number(SettingsSchema schema) =>
        Between(schema.Minimum, schema.Maximum, "from ")
        + (schema.MultipleOf is { } unit ? $", a multiple of {unit}" : "");

    private static string Between(decimal? least, decimal? most, string from) =>
        (least, most) switch
        {
            ({ } one, { } other) => $" {from}{one} to {other}",
            ({ } one, null) => $" of at least {one}",
            (null, { } other) => $" of at most {other}",
            _ => "",
        };
}
