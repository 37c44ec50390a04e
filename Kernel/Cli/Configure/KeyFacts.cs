using System.Text.RegularExpressions;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Schema;

namespace StorageOs.Kernel.Cli.Configure;

/// <summary>One key that an operator may set, as people are told of it.</summary>
/// <param name="Path">Its whole name, with <c>[]</c> for an item of a list.</param>
/// <param name="Name">The same within its section.</param>
/// <param name="Value">What a value must be, with its unit.</param>
/// <param name="Default">What holds without it; null when it must be there.</param>
/// <param name="Meaning">What it is for.</param>
/// <param name="Taken">When a change of it is.</param>
internal sealed partial record KeyFacts(
    string Path, string Name, string Value, string? Default, string Meaning, string Taken)
{
    private const string AtStart = "when the node starts";
    private const string Live = "by a node that runs";
    private const string None = "none";
    private const StringComparison Exact = StringComparison.Ordinal;

    /// <summary>The node's own keys.</summary>
    internal static IReadOnlyList<KeyFacts> OfNode { get; } = [.. NodeKeys.All.Select(
        static setting => new KeyFacts(
            Dotted(setting.Key), Dotted(setting.Key), ValueOf(setting), DefaultOf(setting),
            setting.Meaning, setting.IsLive ? Live : AtStart))];

    /// <summary>Those that the image sets its machine up by.</summary>
    internal static IReadOnlyList<KeyFacts> OfMachine { get; } =
        Of(NodeKeys.Machine.Key, MachineSchema.Schema, "when the machine boots");

    /// <summary>Whether a node that runs takes a change of it.</summary>
    internal bool IsLive => Taken == Live;

    /// <summary>Those of a plugin, as its manifest says; empty when it does not.</summary>
    internal static IReadOnlyList<KeyFacts> Of(PluginManifest manifest) => Of(
        Dotted(manifest.Kind == PluginKind.Transport
            ? NodeKeys.TransportOptions.Key : $"{NodeKeys.Settings.Key}:{manifest.Id}"),
        manifest.Settings, manifest.NeedsRestart ? AtStart : Live);

    /// <summary>
    /// Whether this is the key that somebody means: the whole of it or its end, with colons or
    /// dots, and any item of a list.
    /// </summary>
    internal bool IsMeantBy(string text)
    {
        string wanted = Indices().Replace(Dotted(text).Replace("[]", "", Exact), "");
        string own = Path.Replace("[]", "", Exact);
        return own.Equals(wanted, StringComparison.OrdinalIgnoreCase)
            || own.EndsWith($".{wanted}", StringComparison.OrdinalIgnoreCase);
    }

    private static List<KeyFacts> Of(string path, SettingsSchema schema, string taken)
    {
        List<KeyFacts> all = [];
        AddMembers(schema, "");
        return all;

        void AddMembers(SettingsSchema group, string prefix)
        {
            foreach ((string key, SettingsSchema its) in group.Properties)
            {
                string name = prefix + key;
                bool isNeeded = group.Required.Contains(key, StringComparer.OrdinalIgnoreCase);
                all.Add(new KeyFacts(
                    $"{path}.{name}", name, ValueOf(key, its),
                    isNeeded ? null : Measure.Shown(its.Default, Measure.UnitOf(key)) ?? None,
                    its.Description, taken));
                AddMembers(its, $"{name}.");
                if (its.Items is { } items)
                {
                    AddMembers(items, $"{name}[].");
                }
            }
        }
    }

    private static string Dotted(string key) => key.Replace(':', '.');

    private static string ValueOf(Setting setting) => setting switch
    {
        NumberSetting number => Measure.Range(
            number.Least, number.Most, Measure.UnitOf(setting.Key)),
        PortSetting => Measure.Range(1, uint.MaxValue, ""),
        _ => setting.Expected,
    };

    private static string? DefaultOf(Setting setting) => setting is NumberSetting
        ? Measure.Shown(setting.Default, Measure.UnitOf(setting.Key)) : setting.Default;

    private static string ValueOf(string key, SettingsSchema schema) => schema switch
    {
        { Values.Count: > 0 } => string.Join(" or ", schema.Values),
        { Minimum: { } least, Maximum: { } most } => Measure.Range(
            least, most, Measure.UnitOf(key))
            + (schema.MultipleOf is { } unit ? $", a multiple of {unit}" : ""),
        { PatternText: "^/" } => "a full path",
        { Pattern: not null } => "a text",
        _ => SettingsWords.Expected(schema),
    };

    [GeneratedRegex(@"\.[0-9]+(?=\.|$)")]
    private static partial Regex Indices();
}
