using System.Text.RegularExpressions;

namespace StorageOs.Kernel.Hosting.Schema;

/// <summary>
/// What a plugin's settings must look like: a subset of JSON Schema, each keyword with its meaning
/// there. docs/PLUGINS.md lists the keywords.
/// </summary>
/// <param name="Types">What it may be; mostly one.</param>
internal sealed record SettingsSchema(IReadOnlyList<SettingType> Types)
{
    /// <summary>An object that may hold anything.</summary>
    internal static SettingsSchema Anything { get; } = new([SettingType.Object]);

    /// <summary>What it is for, for people.</summary>
    internal string Description { get; init; } = "";

    /// <summary>What holds without it, as a configuration would have it; for people.</summary>
    internal string? Default { get; init; }

    /// <summary>Members of an object, by name.</summary>
    internal IReadOnlyDictionary<string, SettingsSchema> Properties { get; init; } =
        new Dictionary<string, SettingsSchema>();

    /// <summary>Names of members that must be there.</summary>
    internal IReadOnlyList<string> Required { get; init; } = [];

    /// <summary>Whether an object may have members that are not listed.</summary>
    internal bool AdditionalProperties { get; init; } = true;

    /// <summary>What each item of an array must be; null for anything.</summary>
    internal SettingsSchema? Items { get; init; }

    /// <summary>Least number of items.</summary>
    internal int? MinItems { get; init; }

    /// <summary>Greatest number of items.</summary>
    internal int? MaxItems { get; init; }

    /// <summary>Least number.</summary>
    internal decimal? Minimum { get; init; }

    /// <summary>Greatest number.</summary>
    internal decimal? Maximum { get; init; }

    /// <summary>What a number must be a multiple of.</summary>
    internal decimal? MultipleOf { get; init; }

    /// <summary>What must be found in a text; null for anything.</summary>
    internal Regex? Pattern { get; init; }

    /// <summary>The same as the manifest has it.</summary>
    internal string? PatternText { get; init; }

    /// <summary>The values there are, as texts; empty for any.</summary>
    internal IReadOnlyList<string> Values { get; init; } = [];

    /// <summary>Whether it may be of a type.</summary>
    internal bool Is(SettingType type) => Types.Contains(type);
}

/// <summary>The types of JSON Schema but null.</summary>
internal enum SettingType
{
    /// <summary>A group of keys.</summary>
    Object,

    /// <summary>A list.</summary>
    Array,

    /// <summary>A text.</summary>
    String,

    /// <summary>A whole number.</summary>
    Integer,

    /// <summary>Any number.</summary>
    Number,

    /// <summary>true or false.</summary>
    Boolean,
}
