using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Json;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Configuration;

/// <summary>
/// Reads typed values out of a layered configuration. It never stops at the first problem: each
/// one is noted with the source it came from, and a harmless value is returned in its place.
/// </summary>
/// <param name="root">The layers, put together.</param>
/// <param name="source">What the lowest layer is, for people: a file.</param>
/// <param name="folder">Folder that relative paths are relative to.</param>
internal sealed class SettingsReader(IConfigurationRoot root, string source, string folder)
{
    private const int PathCharsMax = 4096;
    private readonly HashSet<string> known = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> free = [];
    private readonly List<Refusal> refusals = [];

    /// <summary>What was refused so far.</summary>
    internal IReadOnlyList<Refusal> Refusals => refusals;

    /// <summary>Folder that relative paths are relative to.</summary>
    internal string Folder => folder;

    /// <summary>Keys that were asked for.</summary>
    internal IReadOnlySet<string> Asked => known;

    /// <summary>A text; empty when it is no good.</summary>
    internal string Text(TextSetting setting) => Text(setting.Key, setting.CharsMax);

    /// <summary>A name.</summary>
    internal string Name(NameSetting setting)
    {
        string name = Text(setting.Key, Limits.NameCharsMax);
        if (name.Any(letter => !char.IsAsciiLetterOrDigit(letter) && !"._-".Contains(letter)))
        {
            Refuse(setting.Key, NameSetting.Letters, Shown(name));
        }

        return name;
    }

    /// <summary>A full path; relative ones start at the file's folder.</summary>
    internal string FullPath(PathSetting setting)
    {
        string path = Text(setting.Key, PathCharsMax);
        return path.Length == 0 ? "" : Path.GetFullPath(path, Folder);
    }

    /// <summary>A full path, or null when the key is not there.</summary>
    internal string? OptionalPath(PathSetting setting) =>
        IsThere(setting) && FullPath(setting) is { Length: > 0 } path ? path : null;

    /// <summary>A 64-bit number.</summary>
    internal ulong Hex(HexSetting setting) => Hex((Setting)setting);

    /// <summary>An address of a page.</summary>
    internal ulong PageAddress(PageSetting setting)
    {
        ulong address = Hex(setting);
        if (address % Size.Page != 0)
        {
            Refuse(setting.Key, setting.Expected, $"0x{address:x}");
        }

        return address;
    }

    /// <summary>A port number of the transport.</summary>
    internal uint Port(PortSetting setting)
    {
        if (Raw(setting) is not { } value)
        {
            return 0;
        }

        bool good = uint.TryParse(
            value, NumberStyles.None, CultureInfo.InvariantCulture, out uint port);
        if (!good || port == 0)
        {
            Refuse(setting.Key, setting.Expected, Shown(value));
        }

        return port;
    }

    /// <summary>Where to listen; null for nowhere, or when it is no good.</summary>
    internal IPEndPoint? EndPoint(EndPointSetting setting)
    {
        if (Raw(setting) is not { } value || value == setting.Default)
        {
            return null;
        }

        if (IPEndPoint.TryParse(value, out IPEndPoint? address) && address.Port > 0)
        {
            return address;
        }

        Refuse(setting.Key, setting.Expected, Shown(value));
        return null;
    }

    /// <summary>A whole number.</summary>
    internal int Number(NumberSetting setting)
    {
        if (Raw(setting) is not { } value)
        {
            return setting.Usual;
        }

        bool good = int.TryParse(
            value, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number >= setting.Least && number <= setting.Most;
        if (!good)
        {
            Refuse(setting.Key, setting.Expected, Shown(value));
        }

        return good ? number : setting.Usual;
    }

    /// <summary>true or false.</summary>
    internal bool Flag(FlagSetting setting)
    {
        if (Raw(setting) is not { } value)
        {
            return setting.Usual;
        }

        bool good = bool.TryParse(value, out bool flag);
        if (!good)
        {
            Refuse(setting.Key, setting.Expected, Shown(value));
        }

        return good ? flag : setting.Usual;
    }

    /// <summary>A GUID.</summary>
    internal Guid Id(IdSetting setting)
    {
        if (Raw(setting) is not { } value)
        {
            return default;
        }

        if (!Guid.TryParse(value, out Guid id) || id == Guid.Empty)
        {
            Refuse(setting.Key, setting.Expected, Shown(value));
        }

        return id;
    }

    /// <summary>One of an enumeration's names.</summary>
    internal TChoice Choice<TChoice>(ChoiceSetting<TChoice> setting)
        where TChoice : struct, Enum
    {
        if (Raw(setting) is not { } value)
        {
            return setting.Usual;
        }

        string? name = Enum.GetNames<TChoice>().FirstOrDefault(
            name => name.Equals(value, StringComparison.OrdinalIgnoreCase));
        if (name is null)
        {
            Refuse(setting.Key, setting.Expected, Shown(value));
        }

        return name is null ? setting.Usual : Enum.Parse<TChoice>(name);
    }

    /// <summary>A list of texts; null when the key is not there.</summary>
    internal IReadOnlyList<string>? Texts(ListSetting setting)
    {
        IConfigurationSection section = root.GetSection(setting.Key);
        known.Add(setting.Key);
        if (!section.Exists() && section.Value is null)
        {
            return null;
        }

        IConfigurationSection[] items = [.. section.GetChildren()];
        if (section.Value is { Length: > 0 } || items.Length > setting.CountMax)
        {
            Refuse(setting.Key, setting.Expected, section.Value ?? $"{items.Length}");
        }

        return [.. items.Select(item => Text(item.Path, PathCharsMax))];
    }

    /// <summary>Texts by name, for a plugin to check.</summary>
    internal IReadOnlyDictionary<string, string> Options(GroupSetting setting) =>
        Free(setting).GetChildren().ToDictionary(
            child => child.Key, child => Text(child.Path, PathCharsMax),
            StringComparer.OrdinalIgnoreCase);

    /// <summary>A part that somebody else checks.</summary>
    internal IConfigurationSection Free(GroupSetting setting)
    {
        free.Add(setting.Key + ConfigurationPath.KeyDelimiter);
        known.Add(setting.Key);
        return root.GetSection(setting.Key);
    }

    /// <summary>Refuses what nobody asked for; call last.</summary>
    internal void RefuseUnknown()
    {
        foreach ((string key, string? value) in root.AsEnumerable())
        {
            // An empty group of the file comes as a key without a value.
            bool isEmpty = string.IsNullOrEmpty(value);
            bool isKnown = known.Contains(key)
                || (isEmpty && known.Any(name => IsBelow(name, key)))
                || free.Any(prefix => key.StartsWith(prefix, StringComparison.OrdinalIgnoreCase));
            bool isGroup = isEmpty && root.GetSection(key).GetChildren().Any();
            if (!isKnown && !isGroup)
            {
                Refuse(key, "a key that docs/CONFIGURATION.md lists", Nearest(key));
            }
        }
    }

    /// <summary>Notes a refusal of a key's value.</summary>
    internal void Refuse(string key, string expected, string actual, string remedy = "") =>
        refusals.Add(new Refusal($"{SourceOf(key)}, key {key}", expected, actual, remedy));

    private static bool IsBelow(string name, string group) =>
        name.StartsWith(group + ConfigurationPath.KeyDelimiter, StringComparison.OrdinalIgnoreCase);

    private static string Shown(string value)
    {
        StringBuilder shown = new("\"");
        foreach (char letter in value.Take(80))
        {
            shown.Append(char.IsControl(letter) ? '?' : letter);
        }

        return shown.Append(value.Length > 80 ? "…\"" : "\"").ToString();
    }

    private string Nearest(string key)
    {
        string last = key.Split(':')[^1];
        string? same = known.FirstOrDefault(
            name => string.Equals(name.Split(':')[^1], last, StringComparison.OrdinalIgnoreCase));
        return same is null ? "an unknown key" : $"an unknown key; {same} is one";
    }

    private string Text(string key, int charsMax)
    {
        if (Raw(key, "a text", isNeeded: true) is not { } value)
        {
            return "";
        }

        if (value.Length == 0 || value.Length > charsMax || value.Any(char.IsControl))
        {
            Refuse(key, $"1 to {charsMax} printable characters", Shown(value));
            return "";
        }

        return value;
    }

    private ulong Hex(Setting setting)
    {
        if (Raw(setting) is not { } value)
        {
            return 0;
        }

        string digits = value.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? value[2..] : value;
        bool good = ulong.TryParse(
            digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong id);
        if (!good || id == 0)
        {
            Refuse(setting.Key, setting.Expected, Shown(value));
        }

        return id;
    }

    private bool IsThere(Setting setting)
    {
        known.Add(setting.Key);
        return root[setting.Key] is not null || root.GetSection(setting.Key).GetChildren().Any();
    }

    private string? Raw(Setting setting) =>
        Raw(setting.Key, setting.Expected, isNeeded: setting.Default is null);

    private string? Raw(string key, string expected, bool isNeeded)
    {
        known.Add(key);
        IConfigurationSection section = root.GetSection(key);
        if (section.GetChildren().Any())
        {
            Refuse(key, expected, "a group of keys or a list");
            return null;
        }

        if (section.Value is null && isNeeded)
        {
            Refuse(key, expected, "nothing");
        }

        return section.Value;
    }

    private string SourceOf(string key)
    {
        foreach (IConfigurationProvider provider in root.Providers.Reverse())
        {
            bool holds = provider.TryGet(key, out _) || provider.GetChildKeys([], key).Any();
            if (holds && provider
                is not (JsonStreamConfigurationProvider or ChainedConfigurationProvider))
            {
                return provider is NamedSource named ? named.Name : "environment";
            }
        }

        return source;
    }
}
