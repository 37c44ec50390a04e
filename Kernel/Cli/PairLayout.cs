using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Image;
using StorageOs.Kernel.Cli.Remote;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli;

// What `pair` puts into its directory. The plugin ids and settings here are configuration text,
// as a person would write it: the kernel itself knows none of these names.
//
//   DIR/pair.key  DIR/witness/      shared by both nodes
//   DIR/tokens  operator.token          of both nodes' HTTP API
//   DIR/a/config.json  log.txt  manage.sock  api.sock  data/      and DIR/b likewise
//   remote.json                    only that, for nodes on other machines
//   fabric and nvram: in shared memory where there is room, for they stand in for hardware

/// <summary>The files of a pair on one machine.</summary>
internal sealed class PairLayout
{
    private const long LogBytes = 64L * Size.MiB;
    private const ulong SystemIdA = 0xa;
    private const ulong SystemIdB = 0xb;
    private const int PortsOfVolumes = 2;
    private const string Tcp = "tcp";
    private const string Loopback = "loopback";
    private const string Web = "management";
    private const string ApiSocket = "api.sock";
    private const string MemoryAddress = "0x5000000000";

    private PairLayout(string directory) => (Directory, Guests, Remote) =
        (directory, GuestSettings.Load(directory), RemoteSettings.Load(directory));

    /// <summary>Names of the nodes.</summary>
    internal static IReadOnlyList<string> Names { get; } = ["a", "b"];

    /// <summary>The group at home on a node: the lower system id has the first.</summary>
    internal static int HomeGroup(string name) => name == "a" ? 0 : 1;

    /// <summary>Full path of the pair's directory.</summary>
    internal string Directory { get; }

    /// <summary>What its nodes were made with when they are guests; null for processes.</summary>
    internal GuestSettings? Guests { get; }

    /// <summary>Where its nodes are asked when they are on other machines; else null.</summary>
    internal RemoteSettings? Remote { get; }

    /// <summary>Whether all of it is processes of this machine.</summary>
    internal bool IsLocal => Guests is null && Remote is null;

    /// <summary>Whether a pair was made here.</summary>
    internal bool Exists => !IsLocal || Names.All(name => File.Exists(Config(name)));

    /// <summary>The layout of a directory.</summary>
    internal static PairLayout At(string? directory) =>
        new(Path.GetFullPath(directory ?? Path.Combine(".storageos", "pair")));

    /// <summary>A node's configuration file.</summary>
    internal string Config(string name) => Path.Combine(Directory, name, "config.json");

    /// <summary>
    /// File that names the folder of the release which a node was upgraded to; there is none when
    /// it runs this program's own.
    /// </summary>
    internal string ReleaseMark(string name) => Path.Combine(Directory, name, "release");

    /// <summary>What a node is started by.</summary>
    internal Packages.Release ReleaseOf(string name) => File.Exists(ReleaseMark(name))
        ? Packages.Release.At(File.ReadAllText(ReleaseMark(name)).Trim())
        : Packages.Release.Own;

    /// <summary>Where a node's output goes.</summary>
    internal string Log(string name) =>
        Path.Combine(Directory, name, Guests is null ? "log.txt" : "console.log");

    /// <summary>
    /// A node's management socket, or what else <see cref="NodeEndpoint"/> takes.
    /// </summary>
    internal string Socket(string name) => Remote is { } remote
        ? name == Names[0] ? remote.A : remote.B
        : Guests is null
        ? Path.Combine(Directory, name, "manage.sock")
        : NodeEndpoint.Text(
            new IPEndPoint(IPAddress.Loopback, Guests.ManagementPort + HomeGroup(name)),
            Path.Combine(Directory, "manage.key"));

    /// <summary>
    /// Where a node's HTTP API is asked: its Unix socket, or what <see cref="RemoteNode"/> takes.
    /// </summary>
    internal string Api(string name) =>
        Remote is null ? Path.Combine(Directory, name, ApiSocket) : Socket(name);

    /// <summary>Who may ask the nodes over HTTP.</summary>
    internal PairTokens Tokens => new(Directory);

    /// <summary>A node's lock file, which names its process.</summary>
    internal string Lock(string name) => Path.Combine(Directory, name, "data", "lock");

    /// <summary>Says that there must be a pair here.</summary>
    internal void Require()
    {
        if (!Exists)
        {
            throw new RefusedException(new Refusal(
                $"pair in {Directory}", "a pair that was made before", "none",
                "make one: storageos pair --dir DIR"));
        }
    }

    /// <summary>
    /// Makes the files of a new pair, or brings the configuration of one up to date.
    /// </summary>
    internal void Make(PairOptions options)
    {
        CheckRoom();
        System.IO.Directory.CreateDirectory(Directory, OwnerOnly);
        string id = MakeKey();
        string fast = FastFolder();
        System.IO.Directory.CreateDirectory(Path.Combine(fast, "fabric"), OwnerOnly);
        if (options.GivenWitness is { } witness)
        {
            System.IO.Directory.CreateDirectory(RegisterOf(witness), OwnerOnly);
        }

        if (options.WebPort > 0)
        {
            Tokens.Make();
        }

        foreach (string name in Names)
        {
            System.IO.Directory.CreateDirectory(Path.Combine(Directory, name), OwnerOnly);
            string text = Configuration(name, id, fast, options).ToJsonString(Indented);
            File.WriteAllText(Config(name), text + "\n");
            File.Delete(ReleaseMark(name)); // What it is configured with is this program's.
        }
    }

    private const UnixFileMode OwnerOnly =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>The other node.</summary>
    internal static string Other(string name) => name == "a" ? "b" : "a";

    /// <summary>
    /// Preset address and port of a node, in the transport's terms: addresses of this machine for
    /// one over TCP, Fibre Channel ids on the fabric for any other, unless the user says which.
    /// </summary>
    private static (string Address, int Port) Preset(string name, PairOptions options) =>
        options.Addresses is { } given
            ? (name == "a" ? given.A : given.B, options.NbdPort + PortsOfVolumes)
        : options.Transport == Tcp
            ? (name == "a" ? "127.0.0.1" : "127.0.0.2", options.NbdPort + PortsOfVolumes)
            : (name == "a" ? "fc:010203" : "fc:010204", 1);

    // With a prefix, so that the file also runs over another transport by its name alone.
    private static JsonObject TransportOptions(string fast, PairOptions options)
    {
        string fabric = Path.Combine(fast, "fabric");
        JsonObject all = new() { [$"{Loopback}.fabric"] = fabric };
        if (options.Addresses is null && options.Transport is not (Tcp or Loopback))
        {
            all[$"{options.Transport}.fabric"] = fabric; // One of somebody else's, on the fabric.
        }

        return all;
    }

    /// <summary>A node's system id, as its configuration has it.</summary>
    internal static string SystemId(string name) =>
        $"{(name == "a" ? SystemIdA : SystemIdB):x16}";

    private void CheckRoom()
    {
        if (!IsLocal)
        {
            throw new RefusedException(new Refusal(
                $"pair in {Directory}", "one of processes, or none",
                Remote is null ? "a pair of guests" : "a pair on other machines",
                Remote is null ? "storageos image pair starts it" : "choose another --dir"));
        }

        int bytes = Encoding.UTF8.GetByteCount(Socket("a"));
        if (bytes > Limits.SocketPathBytesMax)
        {
            throw new RefusedException(new Refusal(
                $"pair in {Directory}",
                $"management sockets with paths of at most {Limits.SocketPathBytesMax} bytes",
                $"{bytes} bytes", "choose a shorter --dir"));
        }
    }

    /// <summary>
    /// Makes the key unless there is one; returns the pair's id, which stays with it.
    /// </summary>
    private string MakeKey()
    {
        string key = Path.Combine(Directory, "pair.key");
        if (!File.Exists(key))
        {
            FileStreamOptions options = new()
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            };
            using FileStream file = new(key, options);
            file.Write(RandomNumberGenerator.GetBytes(Limits.KeyBytesMin));
        }

        string idFile = Path.Combine(Directory, "pair.id");
        if (!File.Exists(idFile))
        {
            File.WriteAllText(idFile, $"{Guid.NewGuid()}\n");
        }

        return File.ReadAllText(idFile).Trim();
    }

    /// <summary>
    /// Removes everything of the pair, its memory included. No node of it may run.
    /// </summary>
    internal void Delete()
    {
        if (IsLocal)
        {
            System.IO.Directory.Delete(FastFolder(), recursive: true);
        }

        if (System.IO.Directory.Exists(Directory))
        {
            System.IO.Directory.Delete(Directory, recursive: true);
        }
    }

    /// <summary>Folder of what stands in for hardware: memory-backed where there is room.</summary>
    private string FastFolder()
    {
        string mark = Path.Combine(Directory, "fast-folder");
        if (File.Exists(mark))
        {
            return File.ReadAllText(mark).Trim();
        }

        // Named at random: a pair made anew must not find the memory of one made here before.
        string unique = RandomNumberGenerator.GetHexString(12, lowercase: true);
        string memory = $"/dev/shm/storageos-{unique}";
        DriveInfo drive = new("/dev/shm");
        bool fits = drive is { IsReady: true, DriveFormat: "tmpfs" }
            && drive.AvailableFreeSpace > 8 * LogBytes;
        string folder = fits ? memory : Directory;
        System.IO.Directory.CreateDirectory(folder, OwnerOnly);
        File.WriteAllText(mark, folder + "\n");
        return folder;
    }

    private JsonObject Configuration(
        string name, string pairId, string fast, PairOptions options)
    {
        (string ownAddress, int ownPort) = Preset(name, options);
        (string address, int port) = Preset(Other(name), options);
        return new JsonObject
        {
            ["node"] = new JsonObject
            {
                ["name"] = name,
                ["systemId"] = SystemId(name),
                ["dataDirectory"] = "data",
                ["nvramDirectory"] = Path.Combine(fast, $"nvram-{name}"),
                ["persistence"] = "process",
            },
            ["partner"] = new JsonObject
            {
                ["name"] = Other(name),
                ["systemId"] = SystemId(Other(name)),
                ["address"] = address,
                ["port"] = port,
                ["memoryAddress"] = MemoryAddress,
            },
            ["pair"] = new JsonObject { ["id"] = pairId, ["keyFile"] = "../pair.key" },
            ["transport"] = new JsonObject
            {
                ["name"] = options.Transport,
                ["address"] = ownAddress,
                ["port"] = ownPort,
                ["memoryAddress"] = MemoryAddress,
                ["options"] = TransportOptions(fast, options),
            },
            ["management"] = new JsonObject { ["socket"] = "manage.sock" },
            ["plugins"] = Plugins(name, pairId, fast, options),
        };
    }

    private JsonObject Plugins(string name, string pairId, string fast, PairOptions options)
    {
        JsonObject plugins = new()
        {
            ["directories"] = List(options.PluginFolders),
            ["settings"] = PluginSettings(name, pairId, fast, options),
        };

        // Witnesses are chosen by their settings unless all is named; one that was given may need
        // none, and without one none is to be loaded.
        IReadOnlyList<string>? chosen = options.Clients ?? (
            options.Witness == PairWitness.None || options.GivenWitness is not null
            ? [
                .. PluginCatalog.IdsOf(options.PluginFolders, PluginKind.Client)
                    .Where(id => id != Web || options.WebPort > 0),
                .. new[] { options.GivenWitness?.Id }.OfType<string>(),
            ]
            : null);
        if (chosen is { } clients)
        {
            plugins["clients"] = List(clients);
        }

        return plugins;
    }

    private static JsonArray List(IEnumerable<string> items) =>
        [.. items.Select(static item => (JsonNode)item)];

    /// <summary>The directory for the register of a witness that was given.</summary>
    private string RegisterOf(PluginManifest witness) =>
        Path.Combine(Directory, $"witness-{witness.Id}");

    private JsonObject PluginSettings(
        string name, string pairId, string fast, PairOptions options)
    {
        JsonArray volumes = [];
        JsonArray addresses = [];
        foreach (int group in new[] { 0, 1 })
        {
            volumes.Add(new JsonObject
            {
                ["name"] = $"vol{group}",
                ["group"] = group,
                ["sizeBytes"] = options.SizeBytes,
            });
            addresses.Add(new JsonObject
            {
                ["group"] = group,
                ["host"] = "127.0.0.1",
                ["port"] = options.NbdPort + group,
                ["socket"] = Path.Combine(fast, "fabric", $"address-{group}"),
            });
        }

        JsonObject monitor = options.Witness != PairWitness.None ? [] : new()
        {
            ["witness"] = "none",
            ["partnerRecord"] = Path.Combine(Directory, Other(name), "data"),
        };
        JsonObject settings = new()
        {
            ["nvram-mirror"] = new JsonObject { ["logBytes"] = LogBytes },
            ["volumes"] = new JsonObject { ["volumes"] = volumes },
            ["nbd-export"] = new JsonObject { ["addresses"] = addresses },
            ["failover-monitor"] = monitor,
        };
        if (options.Witness == PairWitness.File)
        {
            settings["witness-file"] = new JsonObject
            {
                ["directory"] = Path.Combine(Directory, "witness"),
            };
        }
        else if (options.GivenWitness is { } given)
        {
            monitor["witness"] = given.Id;
            if (given.Settings.Properties.ContainsKey("directory"))
            {
                settings[given.Id] = new JsonObject { ["directory"] = RegisterOf(given) };
            }
        }
        else if (options.Witness == PairWitness.Etcd)
        {
            settings["witness-etcd"] = new JsonObject
            {
                ["endpoints"] = List(options.Etcd),
                ["prefix"] = $"storageos/{pairId}", // Many pairs may use one etcd.
            };
        }

        if (options.WebPort > 0)
        {
            settings[Web] = Management(name, options.WebPort);
        }

        foreach ((string id, JsonNode? more) in options.MoreSettings)
        {
            settings[id] = more?.DeepClone();
        }

        return settings;
    }

    private JsonObject Management(string name, int port) => new()
    {
        ["socket"] = Path.Combine(Directory, name, ApiSocket),
        ["listen"] = $"127.0.0.1:{port + HomeGroup(name)}",
        ["tokens"] = Tokens.Known,
    };
}

/// <summary>What a pair is made with.</summary>
/// <param name="Transport">Id of the transport.</param>
/// <param name="PluginFolders">Full paths of plugin folders.</param>
/// <param name="SizeBytes">Size of each volume.</param>
/// <param name="NbdPort">
/// TCP port of group 0's service address; group 1 has the next, and a transport over TCP the one
/// after it.
/// </param>
internal sealed record PairOptions(
    string Transport, IReadOnlyList<string> PluginFolders, long SizeBytes, int NbdPort)
{
    /// <summary>
    /// TCP port of a's HTTP API and page; b has the next. 0 for neither.
    /// </summary>
    internal int WebPort { get; init; }

    /// <summary>Hardware addresses of the nodes; null for what the transport needs here.</summary>
    internal (string A, string B)? Addresses { get; init; }

    /// <summary>Where the pair's register is.</summary>
    internal PairWitness Witness { get; init; }

    /// <summary>The witness among the folders that has it; null when it is one of ours.</summary>
    internal PluginManifest? GivenWitness { get; init; }

    /// <summary>Addresses of etcd's members, when it is there.</summary>
    internal IReadOnlyList<string> Etcd { get; init; } = [];

    /// <summary>Ids of the plugins to load beside the transport; null for all found.</summary>
    internal IReadOnlyList<string>? Clients { get; init; }

    /// <summary>Settings of further plugins, by id.</summary>
    internal JsonObject MoreSettings { get; init; } = [];
}

/// <summary>Where a pair's register is.</summary>
internal enum PairWitness
{
    /// <summary>In files beside the pair.</summary>
    File,

    /// <summary>In etcd.</summary>
    Etcd,

    /// <summary>In a witness whose plugin was given.</summary>
    Given,

    /// <summary>On its own two nodes, by rule S13.</summary>
    None,
}
