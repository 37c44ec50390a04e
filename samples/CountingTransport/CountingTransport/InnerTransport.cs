using System.Reflection;
using System.Runtime.Loader;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace CountingTransport;

// No plugin is compiled against another, and a node hands no transport to another: whoever wraps one
// finds it by its folder and talks to it by the contract, as the node would. Nobody has looked at
// that folder's signature, so who configures it answers for it; the usual one is the system's.

/// <summary>A transport's plugin, loaded out of its folder.</summary>
internal static class InnerTransport
{
    /// <summary>The option of the transport section that names the folder.</summary>
    internal const string Option = "inner";

    private const string Usual = "loopback";
    private const string ManifestName = "plugin.json";

    /// <summary>Makes the provider of the transport in a folder.</summary>
    /// <param name="folder">The folder; null for the usual one.</param>
    /// <param name="services">What its constructor may ask for.</param>
    internal static ITransportProvider Load(string? folder, IServiceProvider services)
    {
        folder ??= FindUsual();
        using JsonDocument manifest = Manifest(folder);
        string assembly = Path.Combine(folder, Text(manifest, "assembly"));
        Type type = new Context(assembly).LoadFromAssemblyPath(assembly)
            .GetType(Text(manifest, "type"), throwOnError: true)!;
        Registry registry = new();
        ((IPlugin)Activator.CreateInstance(type)!).Register(registry);
        ServiceDescriptor provider = registry.Services.LastOrDefault(
            static service => service.ServiceType == typeof(ITransportProvider))
            ?? throw Refused(folder, "a transport's plugin", Text(manifest, "kind"));
        return (ITransportProvider)(provider.ImplementationInstance
            ?? provider.ImplementationFactory?.Invoke(services)
            ?? ActivatorUtilities.CreateInstance(services, provider.ImplementationType!));
    }

    // Beside the program or, where that is the kernel, in the folder of the system, which has both.
    private static string FindUsual()
    {
        string[] looked =
        [
            Path.Combine(AppContext.BaseDirectory, "plugins"),
            Path.Combine(AppContext.BaseDirectory, "..", "plugins"),
        ];
        return looked.Where(Directory.Exists).SelectMany(Directory.EnumerateDirectories)
            .Where(static folder => File.Exists(Path.Combine(folder, ManifestName)))
            .FirstOrDefault(static folder =>
            {
                using JsonDocument manifest = Manifest(folder);
                return Text(manifest, "id") == Usual;
            })
            ?? throw Refused(string.Join(" or ", looked), $"the plugin {Usual}", "none");
    }

    private static JsonDocument Manifest(string folder)
    {
        string file = Path.Combine(folder, ManifestName);
        return File.Exists(file)
            ? JsonDocument.Parse(File.ReadAllText(file))
            : throw Refused(folder, "the folder of a plugin", "none");
    }

    private static string Text(JsonDocument manifest, string key) =>
        manifest.RootElement.GetProperty(key).GetString()!;

    private static RefusedException Refused(string folder, string expected, string found) =>
        new(new Refusal(
            $"transport option {Option}, {folder}", expected, found,
            "name the folder of the transport that is to be counted"));

    /// <summary>Its own packages are beside it; what the host supplies is the host's.</summary>
    private sealed class Context(string assembly) : AssemblyLoadContext(assembly)
    {
        private readonly AssemblyDependencyResolver beside = new(assembly);

        protected override Assembly? Load(AssemblyName name) =>
            beside.ResolveAssemblyToPath(name) is { } path ? LoadFromAssemblyPath(path) : null;

        protected override nint LoadUnmanagedDll(string name) =>
            beside.ResolveUnmanagedDllToPath(name) is { } path
                ? LoadUnmanagedDllFromPath(path) : nint.Zero;
    }

    private sealed class Registry : IPluginRegistry
    {
        public IServiceCollection Services { get; } = new ServiceCollection();

        public void Provide<TService>()
            where TService : class =>
            throw Refused(typeof(TService).Name, "a transport, which offers no services", "one");
    }
}
