using System.Net;
using System.Reflection;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Logs;

namespace StorageOs.Kernel.Configuration;

/// <summary>
/// Reads a node's configuration: a JSON file, over it the environment
/// (<c>STORAGEOS__node__name</c>), over it the command line (<c>--set node:name=a</c>).
/// </summary>
public static class NodeConfiguration
{
    private const string EnvironmentPrefix = "STORAGEOS__";

    /// <summary>Reads and checks everything.</summary>
    /// <param name="file">The JSON file.</param>
    /// <param name="overrides">Pairs of the form <c>key=value</c> from the command line.</param>
    /// <param name="settings">What was read; null when anything was refused.</param>
    /// <returns>All that was refused at once; empty when all is good.</returns>
    public static IReadOnlyList<Refusal> Load(
        string file, IEnumerable<string> overrides, out NodeSettings? settings)
    {
        settings = null;
        string path = Path.GetFullPath(file);
        if (CheckFile(path) is { } refusal)
        {
            return [refusal];
        }

        try
        {
            // What an older version wrote is read as this one would have written it.
            using MemoryStream text = new(Encoding.UTF8.GetBytes(
                ConfigurationVersion.Migrate(File.ReadAllText(path)).Text));
            IReadOnlyList<Refusal> refusals = Parse(text, path, overrides, out settings);
            settings = settings is null ? null : settings with
            {
                Reread = () => Require(Load(path, overrides, out NodeSettings? fresh), fresh),
            };
            return refusals;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return
            [
                new Refusal($"configuration {path}", "a file that can be read", failure.Message),
            ];
        }
    }

    /// <summary>Reads and checks what stands in the file of that path.</summary>
    internal static IReadOnlyList<Refusal> Parse(
        Stream text, string path, IEnumerable<string> overrides, out NodeSettings? settings)
    {
        settings = null;
        IConfigurationRoot root;
        try
        {
            root = new ConfigurationBuilder()
                .AddJsonStream(text)
                .AddEnvironmentVariables(EnvironmentPrefix)
                .Add(new NamedSource("--set", Split(overrides)))
                .Build();
        }
        catch (Exception failure) when (failure is JsonException
            or FormatException or InvalidOperationException)
        {
            string found = failure.InnerException?.Message ?? failure.Message;
            return [new Refusal($"configuration {path}", "JSON with unique keys", found)];
        }
        catch (RefusedException refused)
        {
            return [refused.Refusal];
        }

        string folder = Path.GetDirectoryName(path)!;
        return Read(new SettingsReader(root, path, folder), path, out settings);
    }

    /// <summary>
    /// Reads and checks a part of somebody else's configuration, with whatever layers that has.
    /// </summary>
    /// <param name="part">The part; its keys are those of the file.</param>
    /// <param name="source">What it is, for people.</param>
    /// <param name="folder">Full path that relative paths are relative to.</param>
    /// <param name="settings">What was read; null when anything was refused.</param>
    /// <returns>All that was refused at once; empty when all is good.</returns>
    public static IReadOnlyList<Refusal> Load(
        IConfiguration part, string source, string folder, out NodeSettings? settings)
    {
        IConfigurationRoot root = new ConfigurationBuilder().AddConfiguration(part).Build();
        IReadOnlyList<Refusal> refusals =
            Read(new SettingsReader(root, source, folder), source, out settings);
        settings = settings is null ? null : settings with
        {
            Reread = () => Require(Load(part, source, folder, out NodeSettings? fresh), fresh),
        };
        return refusals;
    }

    private static NodeSettings Require(
        IReadOnlyList<Refusal> refusals, NodeSettings? settings) =>
        settings ?? throw new RefusedException(refusals[0]);

    /// <summary>Reads and checks what a reader has.</summary>
    internal static IReadOnlyList<Refusal> Read(
        SettingsReader reader, string source, out NodeSettings? settings)
    {
        ConfigurationVersion.Check(reader);
        NodeSettings read = Read(reader, source);
        reader.RefuseUnknown();
        settings = reader.Refusals.Count == 0 ? read : null;
        return reader.Refusals;
    }

    private static Refusal? CheckFile(string path)
    {
        FileInfo info = new(path);
        if (!info.Exists)
        {
            return new Refusal(
                $"configuration {path}", "a file", Directory.Exists(path) ? "a folder" : "nothing");
        }

        return info.Length <= Limits.ConfigurationBytesMax
            ? null
            : new Refusal(
                $"configuration {path}",
                $"at most {Limits.ConfigurationBytesMax} bytes",
                $"{info.Length}");
    }

    private static IEnumerable<KeyValuePair<string, string>> Split(IEnumerable<string> overrides)
    {
        foreach (string pair in overrides)
        {
            int split = pair.IndexOf('=', StringComparison.Ordinal);
            if (split <= 0)
            {
                throw new RefusedException(
                    new Refusal("--set", "key=value, such as node:name=a", $"\"{pair}\""));
            }

            yield return new(pair[..split], pair[(split + 1)..]);
        }
    }

    private static NodeSettings Read(SettingsReader reader, string source)
    {
        LocalNodeSettings node = new(
            reader.Name(NodeKeys.NodeName),
            reader.Hex(NodeKeys.NodeSystemId),
            reader.FullPath(NodeKeys.DataDirectory),
            reader.FullPath(NodeKeys.NvramDirectory),
            reader.Choice(NodeKeys.Persistence))
        {
            BeatPeriod = TimeSpan.FromMilliseconds(reader.Number(NodeKeys.BeatMs)),
        };
        PartnerSettings partner = new(
            reader.Name(NodeKeys.PartnerName),
            reader.Hex(NodeKeys.PartnerSystemId),
            reader.Text(NodeKeys.PartnerAddress),
            reader.Port(NodeKeys.PartnerPort),
            reader.PageAddress(NodeKeys.PartnerMemory));
        TransportChoice transport = ReadTransport(reader);
        PairSettings pair = new(reader.Id(NodeKeys.PairId), ReadKey(reader, NodeKeys.PairKeyFile));
        string socket = ReadSocket(reader);
        CheckTogether(reader, node, partner, transport);
        PluginSettings plugins = ReadPlugins(reader, node.DataDirectory);
        return new NodeSettings(node, partner, pair, transport, socket, plugins, source)
        {
            Machine = new MachineSettings
            {
                Image = reader.Free(NodeKeys.Machine),
                Watchdog = reader.OptionalPath(NodeKeys.Watchdog),
                Console = reader.OptionalPath(NodeKeys.Console),
                WaitFor = reader.Texts(NodeKeys.WaitFor) ?? [],
                PartnerWait = TimeSpan.FromMilliseconds(reader.Number(NodeKeys.WaitForPartnerMs)),
                Log = new LogSettings(
                    reader.Choice(NodeKeys.Form),
                    reader.OptionalPath(NodeKeys.JournalSocket) ?? LogSettings.SystemJournal),
                Remote = ReadRemote(reader),
            },
        };
    }

    private static TransportChoice ReadTransport(SettingsReader reader)
    {
        string name = reader.Name(NodeKeys.TransportName);
        return new(
            name,
            reader.Text(NodeKeys.TransportAddress),
            reader.Port(NodeKeys.TransportPort),
            reader.PageAddress(NodeKeys.TransportMemory),
            OptionsOf(name, reader.Options(NodeKeys.TransportOptions)));
    }

    /// <summary>
    /// The options of one transport: those without a prefix, and those with its own, such as
    /// <c>loopback.fabric</c>. So one file can hold what each of several transports needs.
    /// </summary>
    private static Dictionary<string, string> OptionsOf(
        string transport, IReadOnlyDictionary<string, string> all)
    {
        Dictionary<string, string> own = new(StringComparer.OrdinalIgnoreCase);
        foreach ((string name, string value) in all)
        {
            string[] parts = name.Split('.', 2);
            if (parts.Length == 1 || parts[0] == transport)
            {
                own[parts[^1]] = value;
            }
        }

        return own;
    }

    private static RemoteManagement? ReadRemote(SettingsReader reader) =>
        reader.EndPoint(NodeKeys.ManagementAddress) is { } address
            ? new RemoteManagement(address, ReadKey(reader, NodeKeys.ManagementKeyFile))
            : null;

    private static ReadOnlyMemory<byte> ReadKey(SettingsReader reader, PathSetting setting)
    {
        string path = reader.FullPath(setting);
        if (path.Length == 0)
        {
            return default;
        }

        if (KeyFile.TryRead(path, out ReadOnlyMemory<byte> key) is { } refusal)
        {
            reader.Refuse(setting.Key, refusal.Expected, refusal.Actual, refusal.Remedy);
        }

        return key;
    }

    private static string ReadSocket(SettingsReader reader)
    {
        string socket = reader.FullPath(NodeKeys.ManagementSocket);
        int bytes = Encoding.UTF8.GetByteCount(socket);
        if (bytes > Limits.SocketPathBytesMax)
        {
            reader.Refuse(
                NodeKeys.ManagementSocket.Key,
                $"a path of at most {Limits.SocketPathBytesMax} bytes",
                $"{bytes} bytes: {socket}");
        }

        return socket;
    }

    private static PluginSettings ReadPlugins(SettingsReader reader, string dataDirectory)
    {
        IReadOnlyList<string> directories =
            reader.Texts(NodeKeys.Directories) is { Count: > 0 } given
                ? [.. given.Where(path => path.Length > 0)
                    .Select(path => Path.GetFullPath(path, reader.Folder))]
                : [BuiltPlugins];
        IReadOnlyList<string>? clients = reader.Texts(NodeKeys.Clients);
        if (clients?.GroupBy(id => id).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            reader.Refuse(NodeKeys.Clients.Key, "each id once", $"{twice.Key} twice");
        }

        return new PluginSettings(
            directories, clients, reader.Free(NodeKeys.Settings),
            TimeSpan.FromSeconds(reader.Number(NodeKeys.RegistrationSeconds)))
        {
            CallbackTimeMax = TimeSpan.FromSeconds(reader.Number(NodeKeys.CallbackSeconds)),
            Store = reader.OptionalPath(NodeKeys.Store) ?? Path.Combine(dataDirectory, "plugins"),
            Trust = reader.OptionalPath(NodeKeys.Trust),
            RequireSigned = reader.Flag(NodeKeys.RequireSigned),
        };
    }

    /// <summary>
    /// The folder of the system: the parent of the kernel's own folder, or that of the program
    /// which the kernel is a part of. Whoever can write there can write the kernel.
    /// </summary>
    internal static string SystemFolder { get; } = Path.GetFullPath(
        Assembly.GetEntryAssembly() == typeof(NodeConfiguration).Assembly
            ? Path.Combine(AppContext.BaseDirectory, "..")
            : AppContext.BaseDirectory).TrimEnd('/');

    /// <summary>Where the build puts plugins: into the folder of the system.</summary>
    public static string BuiltPlugins { get; } = Path.Combine(SystemFolder, "plugins");

    private static void CheckTogether(
        SettingsReader reader,
        LocalNodeSettings node,
        PartnerSettings partner,
        TransportChoice transport)
    {
        if (node.SystemId != 0 && node.SystemId == partner.SystemId)
        {
            reader.Refuse(
                NodeKeys.PartnerSystemId.Key, "another id than node:systemId",
                $"{partner.SystemId:x} twice");
        }

        if (node.Name.Length > 0 && node.Name == partner.Name)
        {
            reader.Refuse(
                NodeKeys.PartnerName.Key, "another name than node:name",
                $"\"{node.Name}\" twice");
        }

        if (transport.Address.Length > 0
            && transport.Address == partner.Address && transport.Port == partner.Port)
        {
            reader.Refuse(
                NodeKeys.PartnerAddress.Key,
                "another address or port than this node's",
                $"{partner.Address} port {partner.Port} twice");
        }

        if (node.DataDirectory.Length > 0 && File.Exists(node.DataDirectory))
        {
            reader.Refuse(NodeKeys.DataDirectory.Key, "a folder", "a file");
        }
    }
}
