using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel;

/// <summary>
/// Everything of the kernel that has a limit, with its unit; what goes over one is refused by name.
/// </summary>
public static class Limits
{
    /// <summary>Descriptors one turn of a reactor takes from the operating system.</summary>
    public const int DescriptorsPerTurnMax = 64;

    /// <summary>Bytes of a configuration file.</summary>
    public const int ConfigurationBytesMax = 1 * Size.MiB;

    /// <summary>How long a stop waits for a change of a plugin that is under way.</summary>
    public static readonly TimeSpan ChangeTimeMax = TimeSpan.FromSeconds(30);

    /// <summary>Lines a minute that a plugin may log unless its manifest says.</summary>
    public const int PluginLogLinesUsual = 600;

    /// <summary>Lines a minute that a plugin may ask for.</summary>
    public const int PluginLogLinesMax = 60_000;

    /// <summary>Bytes of managed memory that a plugin's process can live with.</summary>
    public const long PluginHeapBytesMin = 32 * Size.MiB;

    /// <summary>After which a plugin's process that failed is started again, at first.</summary>
    public static readonly TimeSpan ProcessRestartDelayMin = TimeSpan.FromSeconds(1);

    /// <summary>The same after many failures.</summary>
    public static readonly TimeSpan ProcessRestartDelayMax = TimeSpan.FromMinutes(1);

    /// <summary>Bytes of a manifest, which may list all files of its plugin.</summary>
    public const int ManifestBytesMax = 256 * Size.KiB;

    /// <summary>Files of a plugin.</summary>
    public const int PluginFilesMax = 1024;

    /// <summary>Characters of a file's path within a plugin's folder.</summary>
    public const int PluginPathCharsMax = 200;

    /// <summary>Bytes of a bundle.</summary>
    public const long BundleBytesMax = 64 * Size.MiB;

    /// <summary>Bytes of all files of a bundle together, unpacked.</summary>
    public const long BundleUnpackedBytesMax = 256 * Size.MiB;

    /// <summary>Bytes of a bundle's directory, which is read whole.</summary>
    public const int BundleDirectoryBytesMax = 512 * Size.KiB;

    /// <summary>Bytes of a signature's file, and of a key's.</summary>
    public const int SignatureBytesMax = 16 * Size.KiB;

    /// <summary>Keys in a trust directory.</summary>
    public const int TrustedKeysMax = 64;

    /// <summary>Things that are told about one plugin at once.</summary>
    public const int FindingsMax = 32;

    /// <summary>Bytes of what the store keeps of one plugin.</summary>
    public const int StoreStateBytesMax = 64 * Size.KiB;

    /// <summary>Characters of a reason that the store keeps.</summary>
    public const int StoreReasonCharsMax = 1024;

    /// <summary>Failures of a plugin within the time below that make it malfunctioned.</summary>
    public const int PluginFailuresMax = 3;

    /// <summary>Within which failures of a plugin count together.</summary>
    public static readonly TimeSpan PluginFailureTime = TimeSpan.FromMinutes(5);

    /// <summary>How long who wants to change a store waits for who does.</summary>
    public static readonly TimeSpan StoreLockTimeMax = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long who has a plugin loaded into a running node waits for it to have started.
    /// </summary>
    public static readonly TimeSpan LiveStartTimeMax = TimeSpan.FromSeconds(15);

    /// <summary>Plugins a node looks at.</summary>
    public const int PluginsMax = 64;

    /// <summary>Characters of a node's or plugin's name.</summary>
    public const int NameCharsMax = 64;

    /// <summary>Characters of an address.</summary>
    public const int AddressCharsMax = 256;

    /// <summary>Bytes of a pair key, at least.</summary>
    public const int KeyBytesMin = 32;

    /// <summary>Bytes of a pair key, at most.</summary>
    public const int KeyBytesMax = 4096;

    /// <summary>Bytes of one request to the management socket.</summary>
    public const int ManagementRequestBytesMax = 64 * Size.KiB;

    /// <summary>Bytes of one reply of the management socket.</summary>
    public const int ManagementReplyBytesMax = 16 * Size.MiB;

    /// <summary>Connections to the management socket at a time.</summary>
    public const int ManagementConnectionsMax = 32;

    /// <summary>Bytes of a Unix socket's path that Linux takes.</summary>
    public const int SocketPathBytesMax = 107;

    /// <summary>How long a callback of a plugin may take, unless said otherwise.</summary>
    public static readonly TimeSpan CallbackTimeUsual = TimeSpan.FromSeconds(10);

    /// <summary>The most seconds that a plugin may be given to be made, or a callback.</summary>
    public const int RegistrationSecondsMax = 3600;

    /// <summary>The longest that a reactor sleeps without a timer.</summary>
    public static readonly TimeSpan ReactorSleepMax = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How long a plugin's constructor and registration may take unless configured. A good one has
    /// taken 10 s, in an emulated guest of a busy machine, and what is refused is not tried again.
    /// </summary>
    public static readonly TimeSpan RegistrationTimeUsual = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a plugin waits for those that are to get names and room before it.
    /// </summary>
    public static readonly TimeSpan AheadTimeMax = TimeSpan.FromMinutes(3);

    /// <summary>How long a client may take to stop.</summary>
    public static readonly TimeSpan ClientStopTimeMax = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long the connection manager may take to give back a client or to stop.
    /// </summary>
    public static readonly TimeSpan RemoveTimeMax = TimeSpan.FromSeconds(5);

    /// <summary>How long a module may take to say its part of the status.</summary>
    public static readonly TimeSpan ReportTimeMax = TimeSpan.FromSeconds(1);

    /// <summary>How deep a module's part of the status may be nested.</summary>
    public const int ReportDepthMax = 32;

    /// <summary>How often a path that clients wait for is looked for.</summary>
    public static readonly TimeSpan WaitForPathPeriod = TimeSpan.FromMilliseconds(20);

    /// <summary>Longest that clients may be configured to wait for the first session.</summary>
    public const int PartnerWaitMsMax = 600_000;

    /// <summary>How often a watchdog is fed; its own limit must be several times as long.</summary>
    public static readonly TimeSpan WatchdogPeriod = TimeSpan.FromSeconds(1);

    /// <summary>How long a node that stops may take, to a service manager.</summary>
    public static readonly TimeSpan StopTimeMax = TimeSpan.FromSeconds(90);

    /// <summary>How often the console's view of the node is looked at again.</summary>
    public static readonly TimeSpan ConsolePeriod = TimeSpan.FromSeconds(1);

    /// <summary>How long who connects over TCP may take to prove the key.</summary>
    public static readonly TimeSpan ManagementProofTimeMax = TimeSpan.FromSeconds(5);

    /// <summary>How long a module may take to carry out an operator's command.</summary>
    public static readonly TimeSpan CommandTimeMax = TimeSpan.FromMinutes(5);

    /// <summary>How long a management connection may be silent, or leave a reply unread.</summary>
    public static readonly TimeSpan ManagementSilenceMax = TimeSpan.FromSeconds(30);

    static Limits()
    {
        Invariant.Require(KeyBytesMin <= KeyBytesMax);
        Invariant.Require(ManifestBytesMax <= ConfigurationBytesMax);
        Invariant.Require(ManagementRequestBytesMax <= ManagementReplyBytesMax);
    }
}
