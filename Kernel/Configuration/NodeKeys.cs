using StorageOs.Contracts.Plugins;
using StorageOs.Kernel.Logs;

namespace StorageOs.Kernel.Configuration;

/// <summary>Every key of a node's own configuration, in the document's order.</summary>
internal static class NodeKeys
{
    private const string PresetPort = "on loopback the number of a virtual interface, over tcp and"
        + " verbs a port from 1 to 65535";
    private const string Page = "where the status page lies in memory, as its partner addresses"
        + " it; any page that nothing else has will do";

    internal static readonly NumberSetting Version = new(
        "version", 1, int.MaxValue, ConfigurationVersion.Current,
        "which form the file has; it is read in every older one, and refused in a later one")
    {
        Default = "0: from before there were versions",
    };

    internal static readonly NameSetting NodeName = new(
        "node:name", "this node's name in status and logs, and in the partner's configuration");

    internal static readonly HexSetting NodeSystemId = new(
        "node:systemId", "this node's id, for ever; group 0 is at home on the node with the lower"
        + " one of the two");

    internal static readonly PathSetting DataDirectory = new(
        "node:dataDirectory", "folder of what must survive the node; one process at a time");

    internal static readonly PathSetting NvramDirectory = new(
        "node:nvramDirectory", "folder of the files that back mirrored memory: persistent memory,"
        + " or memory that outlives the process, such as /dev/shm/storageos");

    internal static readonly ChoiceSetting<PersistenceLevel> Persistence = new(
        "node:persistence", PersistenceLevel.Process,
        "what a flush or FUA of a client promises: process, that both nodes' memory has it; power,"
        + " that both nodes' persistent memory has it, in which the logs must lie. The same on"
        + " both nodes, or they refuse each other");

    internal static readonly NumberSetting BeatMs = new(
        "node:beatMs", 1, 100, 2,
        "how often the node shows that it is well, and looks at its partner; more, such as 10, on"
        + " emulated machines");

    internal static readonly PathSetting Watchdog = new(
        "node:watchdog", "watchdog device that the node feeds, /dev/watchdog: the machine is reset"
        + " when the node hangs")
    {
        Default = "none",
    };

    internal static readonly NameSetting PartnerName = new(
        "partner:name", "the partner's node.name; another than this node's");

    internal static readonly HexSetting PartnerSystemId = new(
        "partner:systemId", "the partner's node.systemId; another than this node's");

    internal static readonly TextSetting PartnerAddress = new(
        "partner:address", Limits.AddressCharsMax,
        "the partner's transport.address; it or the port is another than this node's");

    internal static readonly PortSetting PartnerPort = new(
        "partner:port", "the partner's transport.port");

    internal static readonly PageSetting PartnerMemory = new(
        "partner:memoryAddress", "the partner's transport.memoryAddress");

    internal static readonly IdSetting PairId = new(
        "pair:id", "id of the pair, such as uuidgen makes; the same on both nodes");

    internal static readonly PathSetting PairKeyFile = new(
        "pair:keyFile",
        $"file of {Limits.KeyBytesMin} to {Limits.KeyBytesMax} random bytes, the same on both"
        + " nodes, mode 0600, owned by the node's user: who has them is one of the two");

    internal static readonly NameSetting TransportName = new(
        "transport:name", "id of the transport's plugin");

    internal static readonly TextSetting TransportAddress = new(
        "transport:address", Limits.AddressCharsMax,
        "this node's own address, in the transport's form (below)");

    internal static readonly PortSetting TransportPort = new(
        "transport:port", $"this node's own port: {PresetPort}");

    internal static readonly PageSetting TransportMemory = new(
        "transport:memoryAddress", Page);

    internal static readonly GroupSetting TransportOptions = new(
        "transport:options", "the transport's own keys (below). One with a transport's id and a"
        + " dot before it, such as tcp.tls, is for that one alone");

    internal static readonly ChoiceSetting<LogForm> Form = new(
        "log:form", LogForm.Text,
        "how the process writes its log: lines of text or of JSON on standard output, or entries"
        + " of systemd's journal");

    internal static readonly PathSetting JournalSocket = new(
        "log:journalSocket", "socket at which journald takes entries")
    {
        Default = LogSettings.SystemJournal,
    };

    internal static readonly PathSetting ManagementSocket = new(
        "management:socket",
        $"Unix socket of management, at most {Limits.SocketPathBytesMax} bytes with its folder;"
        + " whoever can open it is an operator");

    internal static readonly EndPointSetting ManagementAddress = new(
        "management:address", "management over TCP, for who proves to know management.keyFile; in"
        + " a network of its own, for what follows the proof is not encrypted")
    {
        Default = "none",
    };

    internal static readonly PathSetting ManagementKeyFile = new(
        "management:keyFile",
        $"file of {Limits.KeyBytesMin} to {Limits.KeyBytesMax} random bytes, mode 0600, owned by"
        + " the node's user")
    {
        Default = "none; needed with management.address",
    };

    internal static readonly PathSetting Console = new(
        "management:console", "terminal that shows the node whenever its state changes,"
        + " /dev/console")
    {
        Default = "none",
    };

    internal static readonly ListSetting Directories = new(
        "plugins:directories", Limits.PluginsMax, "paths of plugins' folders, or of folders of"
        + " such folders, in order")
    {
        Default = "plugins, beside the kernel's folder or the program that it is a part of",
        IsLive = true,
    };

    internal static readonly ListSetting Clients = new(
        "plugins:clients", Limits.PluginsMax, "ids of what is loaded beside the transport and what"
        + " is installed, each once")
    {
        Default = "all found; of several witnesses those with settings",
        IsLive = true,
    };

    internal static readonly ListSetting WaitFor = new(
        "plugins:waitFor", Limits.PluginsMax, "full paths that must exist before client plugins"
        + " are loaded: mounted disks, say. The session with the partner does not wait for them")
    {
        Default = "none",
    };

    internal static readonly NumberSetting WaitForPartnerMs = new(
        "plugins:waitForPartnerMs", 0, Limits.PartnerWaitMsMax, 0,
        "how long client plugins then wait for the first session, so that two nodes which are"
        + " switched on together begin as a pair");

    internal static readonly NumberSetting RegistrationSeconds = new(
        "plugins:registrationSeconds", 1, Limits.RegistrationSecondsMax,
        (int)Limits.RegistrationTimeUsual.TotalSeconds,
        "how long a plugin may take to be made, before it is refused");

    internal static readonly NumberSetting CallbackSeconds = new(
        "plugins:callbackSeconds", 1, Limits.RegistrationSecondsMax,
        (int)Limits.CallbackTimeUsual.TotalSeconds,
        "how long a callback of a plugin with a reactor of its own may take, before the plugin is"
        + " ended");

    internal static readonly PathSetting Store = new(
        "plugins:store", "folder of installed plugins, each node its own")
    {
        Default = "plugins, in node.dataDirectory",
    };

    internal static readonly PathSetting Trust = new(
        "plugins:trust", "folder of public keys, *.pem, of those whose plugins are trusted")
    {
        Default = "none: nobody is",
        IsLive = true,
    };

    internal static readonly FlagSetting RequireSigned = new(
        "plugins:requireSigned", false,
        "whether plugins that did not come with the kernel are refused unless one of them has"
        + " signed; in the image always true")
    {
        IsLive = true,
    };

    internal static readonly GroupSetting Settings = new(
        "plugins:settings", "a group for each plugin, by its id, with the plugin's own keys"
        + " (below)")
    {
        IsLive = true,
    };

    internal static readonly GroupSetting Machine = new(
        "machine", "what the image sets its machine up by (below); the node itself takes nothing"
        + " from it");

    /// <summary>All of them.</summary>
    internal static IReadOnlyList<Setting> All { get; } =
    [
        Version, NodeName, NodeSystemId, DataDirectory, NvramDirectory, Persistence, BeatMs,
        Watchdog, PartnerName, PartnerSystemId, PartnerAddress, PartnerPort, PartnerMemory, PairId,
        PairKeyFile, TransportName, TransportAddress, TransportPort, TransportMemory,
        TransportOptions, Form, JournalSocket, ManagementSocket, ManagementAddress,
        ManagementKeyFile, Console, Directories, Clients, WaitFor, WaitForPartnerMs,
        RegistrationSeconds, CallbackSeconds, Store, Trust, RequireSigned, Settings, Machine,
    ];
}
