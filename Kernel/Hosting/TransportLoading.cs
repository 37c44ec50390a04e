using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting.Schema;

namespace StorageOs.Kernel.Hosting;

/// <summary>Finds the transport that was chosen by its id and loads it, and nothing else.</summary>
internal static class TransportLoading
{
    /// <summary>Loads it.</summary>
    /// <param name="name">Id in the transport's manifest.</param>
    /// <param name="found">What there is.</param>
    /// <param name="directories">Where that was found, for people.</param>
    /// <param name="options">What it will be opened with; null when it is not to say yet.</param>
    /// <param name="factory">Makes modules.</param>
    /// <param name="fault">What to do when a callback of it throws later.</param>
    /// <exception cref="RefusedException">There is none of that id, or it is no good.</exception>
    internal static async Task<(Module Module, ITransportProvider Provider)> LoadAsync(
        string name,
        IReadOnlyList<PluginCandidate> found,
        IReadOnlyList<string> directories,
        IReadOnlyDictionary<string, string>? options,
        ModuleFactory factory,
        Action<Module, Exception> fault)
    {
        PluginManifest manifest = Choose(name, found, directories, out Refusal? none)
            ?? throw new RefusedException(none!);
        if (options is not null
            && CheckOptions(manifest, options) is [{ } wrong, ..])
        {
            throw new RefusedException(wrong);
        }

        Module transport = new(manifest.Id, PluginKind.Transport, manifest);
        if (await factory.MakeAsync(transport, fault) is { } refusal)
        {
            throw new RefusedException(refusal);
        }

        return (
            transport,
            transport.Services!.GetService<ITransportProvider>()
                ?? throw new RefusedException(new Refusal(
                    $"plugin {name}", "an ITransportProvider among its services", "none")));
    }

    /// <summary>What of its options does not fit what its manifest says of them.</summary>
    internal static IReadOnlyList<Refusal> CheckOptions(
        PluginManifest manifest, IReadOnlyDictionary<string, string> options)
    {
        string key = NodeKeys.TransportOptions.Key;
        return SettingsCheck.Of(manifest.Settings, new ConfigurationBuilder()
            .AddInMemoryCollection(options.Select(option => KeyValuePair.Create(
                ConfigurationPath.Combine(key, option.Key), (string?)option.Value)))
            .Build().GetSection(key));
    }

    /// <summary>The manifest of the one of that id; null, and why, when it is no good.</summary>
    internal static PluginManifest? Choose(
        string name, IReadOnlyList<PluginCandidate> found, IReadOnlyList<string> directories,
        out Refusal? none)
    {
        PluginCandidate? chosen =
            found.FirstOrDefault(candidate => candidate.Good?.Id == name)
            ?? found.FirstOrDefault(candidate => candidate.Name == name); // Says what is wrong.
        if (chosen?.Good is { Kind: PluginKind.Transport } manifest)
        {
            none = null;
            return manifest;
        }

        string others = string.Join(", ", found.Where(
            other => other.Good?.Kind == PluginKind.Transport).Select(other => other.Name));
        string places = string.Join(" or ", directories);
        none = chosen?.Error?.Refusal ?? new Refusal(
            $"transport {name}",
            $"a transport plugin of that id below {places}",
            others.Length == 0 ? "none at all" : others,
            "correct transport:name or plugins:directories");
        return null;
    }
}
