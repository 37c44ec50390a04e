using System.Globalization;
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
    private readonly HashSet<string> known = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<string> free = [];
    private readonly List<Refusal> refusals = [];

    /// <summary>What was refused so far.</summary>
    internal IReadOnlyList<Refusal> Refusals => refusals;

    /// <summary>Folder that relative paths are relative to.</summary>
    internal string Folder => folder;

    /// <summary>A text of 1 to <paramref name="charsMax"/> characters.</summary>
    internal string Text(string key, int charsMax, string? whenAbsent = null)
    {
        if (Raw(key, "a text", whenAbsent) is not { } value)
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

    /// <summary>A name: letters, digits, dots, dashes and underscores.</summary>
    internal string Name(string key)
    {
        string name = Text(key, Limits.NameCharsMax);
        if (name.Any(letter => !char.IsAsciiLetterOrDigit(letter) && !"._-".Contains(letter)))
        {
            Refuse(key, "letters, digits, dots, dashes and underscores", Shown(name));
        }

        return name;
    }

    /// <summary>A full path; relative ones start at the file's folder.</summary>
    internal string Folders(string key)
    {
        string path = Text(key, 4096);
        return path.Length == 0 ? "" : Path.GetFullPath(path, Folder);
    }

    /// <summary>A full path, or null when the key is not there.</summary>
    internal string? OptionalPath(string key)
    {
        if (root[key] is null && !root.GetSection(key).GetChildren().Any())
        {
            known.Add(key);
            return null;
        }

        return Folders(key) is { Length: > 0 } path ? path : null;
    }

    /// <summary>A 64-bit number in hexadecimal, with or without 0x; not 0.</summary>
    internal ulong Hex(string key)
    {
        const string Expected = "1 to 16 hexadecimal digits, not all 0";
        if (Raw(key, Expected) is not { } value)
        {
            return 0;
        }

        string digits = value.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? value[2..] : value;
        bool good = ulong.TryParse(
            digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong id);
        if (!good || id == 0)
        {
            Refuse(key, Expected, Shown(value));
        }

        return id;
    }

    /// <summary>An address of a page in memory: hexadecimal, a multiple of 4,096, not 0.</summary>
    internal ulong PageAddress(string key)
    {
        ulong address = Hex(key);
        if (address % Size.Page != 0)
        {
            Refuse(key, $"a multiple of {Size.Page}", $"0x{address:x}");
        }

        return address;
    }

    /// <summary>A port number of the transport.</summary>
    internal uint Port(string key)
    {
        const string Expected = "a whole number from 1 to 4294967295";
        if (Raw(key, Expected) is not { } value)
        {
            return 0;
        }

        bool good = uint.TryParse(
            value, NumberStyles.None, CultureInfo.InvariantCulture, out uint port);
        if (!good || port == 0)
        {
            Refuse(key, Expected, Shown(value));
        }

        return port;
    }

    /// <summary>A whole number between two others.</summary>
    internal int Number(string key, int least, int most, int whenAbsent)
    {
        string expected = $"a whole number from {least} to {most}";
        string? value = Raw(key, expected, $"{whenAbsent}");
        bool good = int.TryParse(
            value, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number >= least && number <= most;
        if (!good && value is not null)
        {
            Refuse(key, expected, Shown(value));
        }

        return good ? number : whenAbsent;
    }

    /// <summary>true or false.</summary>
    internal bool Flag(string key, bool whenAbsent)
    {
        const string Expected = "true or false";
        string? value = Raw(key, Expected, $"{whenAbsent}");
        bool good = bool.TryParse(value, out bool flag);
        if (!good && value is not null)
        {
            Refuse(key, Expected, Shown(value));
        }

        return good ? flag : whenAbsent;
    }

    /// <summary>A GUID.</summary>
    internal Guid Id(string key)
    {
        const string Expected = "a GUID that is not all 0";
        if (Raw(key, Expected) is not { } value)
        {
            return default;
        }

        if (!Guid.TryParse(value, out Guid id) || id == Guid.Empty)
        {
            Refuse(key, Expected, Shown(value));
        }

        return id;
    }

    /// <summary>One of an enumeration's names, in lower case.</summary>
    internal TChoice Choice<TChoice>(string key, TChoice whenAbsent)
        where TChoice : struct, Enum
    {
        string[] names = Enum.GetNames<TChoice>();
        string expected = string.Join(" or ", names.Select(name => name.ToLowerInvariant()));
        string? value = Raw(key, expected, whenAbsent.ToString());
        string? name = names.FirstOrDefault(
            name => name.Equals(value, StringComparison.OrdinalIgnoreCase));
        if (value is not null && name is null)
        {
            Refuse(key, expected, Shown(value));
        }

        return name is null ? whenAbsent : Enum.Parse<TChoice>(name);
    }

    /// <summary>A list of texts; null when the key is not there.</summary>
    internal IReadOnlyList<string>? Texts(string key, int countMax)
    {
        IConfigurationSection section = root.GetSection(key);
        known.Add(key);
        if (!section.Exists() && section.Value is null)
        {
            return null;
        }

        IConfigurationSection[] items = [.. section.GetChildren()];
        if (section.Value is { Length: > 0 } || items.Length > countMax)
        {
            Refuse(key, $"a list of at most {countMax}", section.Value ?? $"{items.Length}");
        }

        return [.. items.Select(item => Text(item.Path, 4096))];
    }

    /// <summary>Texts by name, for a plugin to check.</summary>
    internal IReadOnlyDictionary<string, string> Options(string key)
    {
        Free(key);
        return root.GetSection(key).GetChildren().ToDictionary(
            child => child.Key, child => Text(child.Path, 4096), StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>A part that somebody else checks.</summary>
    internal IConfiguration Free(string key)
    {
        free.Add(key + ConfigurationPath.KeyDelimiter);
        known.Add(key);
        return root.GetSection(key);
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
                Refuse(key, "a key that docs/OPERATIONS.md lists", Nearest(key));
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

    private string? Raw(string key, string expected, string? whenAbsent = null)
    {
        known.Add(key);
        IConfigurationSection section = root.GetSection(key);
        if (section.GetChildren().Any())
        {
            Refuse(key, expected, "a group of keys or a list");
            return null;
        }

        if (section.Value is null && whenAbsent is null)
        {
            Refuse(key, expected, "nothing");
        }

        return section.Value ?? whenAbsent;
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
