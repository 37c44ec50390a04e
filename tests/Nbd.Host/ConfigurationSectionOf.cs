using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Primitives;

namespace StorageOs.Nbd.Host;

/// <summary>A configuration section over "a:b:c" keys, without a configuration package.</summary>
internal sealed class ConfigurationSectionOf : IConfigurationSection
{
    private readonly SortedDictionary<string, string?> values;

    /// <summary>An empty one.</summary>
    public ConfigurationSectionOf()
        : this(new(StringComparer.OrdinalIgnoreCase), "")
    {
    }

    private ConfigurationSectionOf(SortedDictionary<string, string?> values, string path)
    {
        this.values = values;
        Path = path;
    }

    /// <inheritdoc/>
    public string Key => Path[(Path.LastIndexOf(':') + 1)..];

    /// <inheritdoc/>
    public string Path { get; }

    /// <inheritdoc/>
    public string? Value
    {
        get => values.GetValueOrDefault(Path);
        set => values[Path] = value;
    }

    /// <inheritdoc/>
    public string? this[string key]
    {
        get => values.GetValueOrDefault(Below(key));
        set => values[Below(key)] = value;
    }

    /// <inheritdoc/>
    public IEnumerable<IConfigurationSection> GetChildren() => values.Keys
        .Where(key => key.StartsWith(Below(""), StringComparison.OrdinalIgnoreCase))
        .Select(key => key[Below("").Length..].Split(':')[0])
        .Distinct()
        .Select(GetSection);

    /// <inheritdoc/>
    public IChangeToken GetReloadToken() => throw new NotSupportedException();

    /// <inheritdoc/>
    public IConfigurationSection GetSection(string key) =>
        new ConfigurationSectionOf(values, Below(key));

    private string Below(string key) => Path.Length == 0 ? key : $"{Path}:{key}";
}
