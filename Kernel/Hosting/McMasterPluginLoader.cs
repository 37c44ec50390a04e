using System.Reflection;
using System.Runtime.Loader;
using McMaster.NETCore.Plugins;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Isolation;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Plugin loading by McMaster.NETCore.Plugins. What crosses the line to a plugin is Contracts and
/// the Microsoft.Extensions abstractions it is written in, and nothing else.
/// </summary>
internal sealed class McMasterPluginLoader : IPluginLoader
{
    private static readonly Type[] Shared =
    [
        typeof(IPlugin), typeof(IServiceCollection), typeof(IConfiguration), typeof(ILogger),
    ];

    static McMasterPluginLoader() => AssemblyLoadContext.Default.Resolving += ResolveShared;

    /// <inheritdoc/>
    public ILoadedPlugin Load(PluginManifest manifest)
    {
        PluginLoader loader = PluginLoader.CreateFromAssemblyFile(
            manifest.Assembly, isUnloadable: CanUnload(manifest), sharedTypes: Shared);
        try
        {
            IPlugin plugin = Create(loader, manifest);
            AssemblyLoadContext? context =
                AssemblyLoadContext.GetLoadContext(plugin.GetType().Assembly);
            return new Loaded(
                loader, plugin,
                CanUnload(manifest) ? new WeakReference(context, trackResurrection: true) : null);
        }
        catch
        {
            loader.Dispose();
            throw;
        }
    }

    // The runtime takes no code compiled ahead of time in a context that can be unloaded, and what
    // a takeover runs must not be compiled in it (docs/adr/0005). What everything else stands on
    // does not leave a running node anyway; a client on a reactor of its own may.
    private static bool CanUnload(PluginManifest manifest) =>
        manifest is { Kind: PluginKind.Client, Placement: PluginPlacement.Own };

    // A plugin built against a newer Contracts or abstraction asks for that version; without this
    // it would silently get a private copy, and then "no type implements IPlugin".
    private static Assembly? ResolveShared(AssemblyLoadContext context, AssemblyName wanted) =>
        Array.Find(Shared, type => type.Assembly.GetName().Name == wanted.Name)?.Assembly;

    private static IPlugin Create(PluginLoader loader, PluginManifest manifest)
    {
        string subject = $"plugin {manifest.Id}";
        try
        {
            Assembly assembly = loader.LoadDefaultAssembly();
            if (assembly.GetType(manifest.Type) is not { } type)
            {
                throw new RefusedException(new Refusal(
                    subject, $"type {manifest.Type} in {Path.GetFileName(manifest.Assembly)}",
                    "no such type", "correct \"type\" in its plugin.json"));
            }

            if (!typeof(IPlugin).IsAssignableFrom(type) || type.IsAbstract)
            {
                throw new RefusedException(new Refusal(
                    subject, $"{manifest.Type} to be a class that implements IPlugin of Contracts",
                    Describe(type)));
            }

            return Activator.CreateInstance(type) as IPlugin
                ?? throw new RefusedException(new Refusal(subject, "an object", "none"));
        }
        catch (TargetInvocationException thrown)
        {
            Exception inner = thrown.InnerException ?? thrown;
            throw new RefusedException(
                new Refusal(subject, "a constructor that returns", Shown(inner)), inner);
        }
        catch (MissingMethodException missing)
        {
            throw new RefusedException(
                new Refusal(subject, "a public constructor without parameters", "none"), missing);
        }
        catch (Exception failure) when (failure is BadImageFormatException or IOException
            or TypeLoadException or ReflectionTypeLoadException)
        {
            throw new RefusedException(
                new Refusal(subject, "an assembly that can be loaded", failure.Message), failure);
        }
    }

    private static string Describe(Type type)
    {
        bool copied = type.GetInterface(typeof(IPlugin).FullName!) is not null;
        return copied ? "a private copy of Contracts beside the plugin" : $"{type.FullName}";
    }

    /// <summary>A failure in one line.</summary>
    internal static string Shown(Exception failure)
    {
        string text = failure.Message.ReplaceLineEndings(" ");
        return failure is PluginProcessException ? text : $"{failure.GetType().Name}: {text}";
    }

    private sealed class Loaded(PluginLoader loader, IPlugin plugin, WeakReference? code)
        : ILoadedPlugin
    {
        private PluginLoader? loader = loader;
        private IPlugin? plugin = plugin;

        public WeakReference? Code => code;

        public IPlugin Plugin => plugin ?? throw new ObjectDisposedException(nameof(Loaded));

        public void Dispose()
        {
            plugin = null;
            loader?.Dispose();
            loader = null; // It refers to the context.
        }
    }
}
