using System.Collections;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Primitives;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Cli.Configure;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Schema;

namespace StorageOs.Pair.Tests;

/// <summary>
/// What the manifests of our own plugins say of settings is what the plugins do: the keys that they
/// ask for, the numbers that they take, and what holds without them. They are loaded as a node
/// loads them, and their settings are read by the classes that read them there.
/// </summary>
public sealed partial class PluginSettingsTests
{
    // Good settings of each, and how it reads them.
    private static readonly Dictionary<string, (string[] Good, string[] Readers)> Plugins = new()
    {
        ["nvram-mirror"] = ([], ["StorageOs.NvramMirror.MirrorSettings.From"]),
        ["volumes"] = (
            [
                "volumes:0:name=vol0", "volumes:0:group=0", "volumes:0:sizeBytes=4096",
                "resync:bytesPerSecond=1099511627776",
            ],
            [
                "StorageOs.Volumes.VolumeSettings.From", "StorageOs.Volumes.ResyncSettings.From",
                "StorageOs.Volumes.ScrubSettings.From", "StorageOs.Volumes.VolumeSettings.Directory",
            ]),
        ["failover-monitor"] = ([], ["StorageOs.FailoverMonitor.Edge.MonitorSettings.Read"]),
        ["nbd-export"] = (
            [
                "addresses:0:group=0", "addresses:0:host=127.0.0.1", "addresses:0:port=1",
                "addresses:0:socket=/s",
            ],
            ["StorageOs.NbdExport.Addresses.AddressSettings.Read"]),
        ["management"] = (
            ["listen=127.0.0.1:8441", "tokens=/t"],
            ["StorageOs.Management.ManagementSettings.Read"]),
        ["witness-etcd"] = (
            ["endpoints:0=http://127.0.0.1:2379", "prefix=p"],
            ["StorageOs.Witness.Etcd.EtcdSettings.Read"]),
        ["verbs"] = ([], ["StorageOs.Transport.Verbs.VerbsOptions.Parse"]),
    };

    private static readonly NodeInfo Node = new(
        "a", "b", 1, 2, 1, "/data", "/nvram", PersistenceLevel.Process)
    { MachineBootId = "" };

    public static TheoryData<string> Ids { get; } = [.. Plugins.Keys];

    [Theory]
    [MemberData(nameof(Ids))]
    public void A_manifest_says_what_its_plugin_does(string id)
    {
        PluginManifest manifest = PluginCatalog
            .Find([Path.Combine(PairRun.Root, "artifacts", "plugins")])
            .Select(static one => one.Good).OfType<PluginManifest>().Single(one => one.Id == id);
        using ILoadedPlugin loaded = new McMasterPluginLoader().Load(manifest);
        Dictionary<string, string> good = Plugins[id].Good.Select(static one => one.Split('=', 2))
            .ToDictionary(static one => one[0], static one => one[1]);
        HashSet<string> asked = [];
        string Read(IEnumerable<KeyValuePair<string, string?>> settings) => string.Join(
            "; ", Plugins[id].Readers.Select(reader => Shown(Call(
                loaded.Plugin.GetType().Assembly, reader, new ConfigurationBuilder()
                    .AddInMemoryCollection(settings).Build(), asked))));

        _ = Read(Over(good, null, null));
        string[] leaves = [.. LeavesOf(manifest.Settings, "")];
        if (manifest.Kind != PluginKind.Transport) // Which are given all their options as texts.
        {
            Assert.Empty(leaves.Except(asked));
            Assert.Empty(asked.Except(KeyFacts.Of(manifest).Select(static key => key.Name)));
        }

        foreach ((string key, SettingsSchema schema) in NumbersOf(manifest.Settings, ""))
        {
            CheckNumber(key, schema, (name, value) => Read(Over(good, name, value)));
        }
    }

    private static void CheckNumber(
        string key, SettingsSchema schema, Func<string, string?, string> read)
    {
        decimal unit = schema.MultipleOf ?? 1;
        (decimal least, decimal most) = (schema.Minimum!.Value, schema.Maximum!.Value);
        Assert.Equal("", Problem(least));
        Assert.Equal("", Problem(most));
        Assert.NotEqual("", Problem(least - unit));
        Assert.NotEqual("", Problem(most + unit));
        Assert.True(unit == 1 || Problem(least + (unit / 2)).Length > 0, $"{key}: any multiple");
        if (schema.Default is { } usual)
        {
            Assert.Equal(read(key, null), read(key, usual));
            Assert.NotEqual(read(key, null), read(key, $"{(decimal.Parse(usual) == most
                ? most - unit : decimal.Parse(usual) + unit)}"));
        }

        // A refusal of another key says nothing of this one.
        string Problem(decimal value)
        {
            try
            {
                _ = read(key, $"{value}");
                return "";
            }
            catch (RefusedException refused) when (refused.Refusal.Subject.EndsWith(
                key.Split(':')[^1], StringComparison.Ordinal))
            {
                return $"{refused.Refusal}";
            }
            catch (RefusedException)
            {
                return "";
            }
        }
    }

    private static IEnumerable<KeyValuePair<string, string?>> Over(
        Dictionary<string, string> good, string? key, string? value) => good
        .Where(one => one.Key != key || value is not null)
        .Select(one => KeyValuePair.Create(one.Key, one.Key == key ? value : one.Value))
        .Concat(key is null || value is null || good.ContainsKey(key)
            ? [] : [KeyValuePair.Create(key, (string?)value)]);

    private static object Call(
        Assembly assembly, string reader, IConfigurationRoot settings, HashSet<string> asked)
    {
        int dot = reader.LastIndexOf('.');
        MethodInfo method = assembly.GetType(reader[..dot], throwOnError: true)!
            .GetMethod(reader[(dot + 1)..], BindingFlags.Static | BindingFlags.Public)!;
        object[] given = [.. method.GetParameters().Select(parameter => parameter switch
        {
            { ParameterType: { } type } when type == typeof(IConfiguration) =>
                new Noted(settings, "", asked),
            { ParameterType: { } type } when type == typeof(NodeInfo) => Node,
            { ParameterType: { } type } when type == typeof(TransportSettings) =>
                new TransportSettings("10.0.0.1", settings.AsEnumerable().ToDictionary(
                    static one => one.Key, static one => one.Value!)),
            _ => (object)"/directory",
        })];
        try
        {
            return method.Invoke(null, given)!;
        }
        catch (TargetInvocationException failure) when (failure.InnerException is { } inner)
        {
            throw inner;
        }
    }

    private static string Shown(object read) => read is IEnumerable list and not string
        ? string.Join(", ", list.Cast<object>()) : $"{read}";

    private static IEnumerable<string> LeavesOf(SettingsSchema schema, string prefix) =>
        schema.Properties.SelectMany(one => one.Value.Properties.Count > 0
            ? LeavesOf(one.Value, $"{prefix}{one.Key}.")
            : one.Value.Items is { Properties.Count: > 0 } items
                ? LeavesOf(items, $"{prefix}{one.Key}[].") : [prefix + one.Key]);

    private static IEnumerable<(string Key, SettingsSchema Schema)> NumbersOf(
        SettingsSchema schema, string prefix) => schema.Properties.SelectMany(one =>
            NumbersOf(one.Value, $"{prefix}{one.Key}:")
                .Concat(one.Value.Items is { } items
                    ? NumbersOf(items, $"{prefix}{one.Key}:0:") : [])
                .Concat(one.Value.Minimum is null ? [] : [(prefix + one.Key, one.Value)]));

    /// <summary>A configuration that notes which keys it was asked for.</summary>
    private sealed partial class Noted(
        IConfiguration inner, string path, HashSet<string> asked) : IConfigurationSection
    {
        public string Key => (inner as IConfigurationSection)?.Key ?? "";

        public string Path => path;

        public string? Value
        {
            get => (inner as IConfigurationSection)?.Value;
            set => throw new NotSupportedException();
        }

        public string? this[string key]
        {
            get => inner[Note(key)];
            set => throw new NotSupportedException();
        }

        public IConfigurationSection GetSection(string key) =>
            new Noted(inner.GetSection(Note(key)), Join(key), asked);

        public IEnumerable<IConfigurationSection> GetChildren() => inner.GetChildren()
            .Select(child => new Noted(child, Join(child.Key), asked));

        public IChangeToken GetReloadToken() => inner.GetReloadToken();

        private string Note(string key)
        {
            asked.Add(Place().Replace(Join(key), "[]").Replace(':', '.'));
            return key;
        }

        private string Join(string key) => path.Length == 0 ? key : $"{path}:{key}";

        [GeneratedRegex(":[0-9]+(?=:|$)")]
        private static partial Regex Place();
    }
}
