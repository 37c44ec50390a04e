using Microsoft.Extensions.Configuration;

namespace StorageOs.Kernel.Configuration;

/// <summary>Values from somewhere that refusals name, such as the command line.</summary>
internal sealed class NamedSource : ConfigurationProvider, IConfigurationSource
{
    internal NamedSource(string name, IEnumerable<KeyValuePair<string, string>> values)
    {
        Name = name;
        foreach ((string key, string value) in values)
        {
            Data[key] = value;
        }
    }

    /// <summary>Where the values came from, for people.</summary>
    internal string Name { get; }

    /// <inheritdoc/>
    public IConfigurationProvider Build(IConfigurationBuilder builder) => this;
}
