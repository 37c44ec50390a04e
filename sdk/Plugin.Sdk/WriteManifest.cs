using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Build.Framework;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Plugin.Sdk;

/// <summary>
/// Puts the manifest into the plugin's folder, the project's own or one made of its properties, and
/// refuses what a node would refuse.
/// </summary>
public sealed class WriteManifest : PluginTask
{
    /// <summary>How manifests are written: for people, and the same everywhere.</summary>
    internal static readonly JsonSerializerOptions Style = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The project's <c>plugin.json</c>; empty when it has none.</summary>
    public string Manifest { get; set; } = "";

    /// <summary>The plugin's folder.</summary>
    [Required]
    public string Folder { get; set; } = "";

    /// <summary>The plugin's assembly.</summary>
    [Required]
    public string Assembly { get; set; } = "";

    /// <summary>The assembly of StorageOs.Contracts that it was compiled against.</summary>
    public string Contracts { get; set; } = "";

    /// <summary>Names of the assemblies that the host supplies.</summary>
    public ITaskItem[] HostAssemblies { get; set; } = [];

    /// <summary>The project's file: what is wrong when there is no manifest.</summary>
    [Required]
    public string Project { get; set; } = "";

    /// <summary>PluginId.</summary>
    public string Id { get; set; } = "";

    /// <summary>Version.</summary>
    public string Version { get; set; } = "";

    /// <summary>PluginKind.</summary>
    public string Kind { get; set; } = "";

    /// <summary>PluginType.</summary>
    public string Type { get; set; } = "";

    /// <summary>PluginIsolation.</summary>
    public string Isolation { get; set; } = "";

    /// <summary>PluginReactor.</summary>
    public string Reactor { get; set; } = "";

    /// <summary>PluginDescription.</summary>
    public string About { get; set; } = "";

    /// <summary>PluginProvides.</summary>
    public string Provides { get; set; } = "";

    /// <summary>PluginRequires.</summary>
    public string Requires { get; set; } = "";

    /// <summary>PluginUses.</summary>
    public string Uses { get; set; } = "";

    /// <inheritdoc/>
    protected override void Run()
    {
        if (Contracts.Length == 0)
        {
            Refuse("SOS001", Project, 0, "expected a reference to StorageOs.Contracts, found none");
            return;
        }

        RefuseCopies();
        PluginFacts facts = PluginFacts.Read(Assembly, Contracts);
        bool made = Manifest.Length == 0;
        byte[] text = made ? Make(facts) : File.ReadAllBytes(Manifest);
        IReadOnlyList<Finding> findings = ManifestCheck.Of(text, facts);
        foreach (Finding finding in findings)
        {
            Refuse(
                "SOS002", made ? Project : Manifest, made ? 0 : finding.Line,
                made ? $"manifest made of this project: {finding}" : $"{finding}");
        }

        string file = Path.Combine(Folder, ManifestReader.FileName);
        if (findings.Count > 0)
        {
            File.Delete(file); // What is left of an earlier build is not this plugin's.
        }
        else if (!File.Exists(file) || !File.ReadAllBytes(file).AsSpan().SequenceEqual(text))
        {
            File.WriteAllBytes(file, text);
        }
    }

    private void RefuseCopies()
    {
        foreach (ITaskItem host in HostAssemblies)
        {
            string file = Path.Combine(Folder, host.ItemSpec + ".dll");
            if (File.Exists(file))
            {
                Refuse(
                    "SOS003", file, 0,
                    "expected to be left to the host, which supplies it, found a copy beside the "
                    + "plugin; delete it, and what puts it there");
            }
        }
    }

    private byte[] Make(PluginFacts facts)
    {
        string name = Path.GetFileNameWithoutExtension(Project);
        string kind = Or(Kind, "client");
        string type = Type.Length > 0 || facts.Plugins.Count != 1 ? Type : facts.Plugins.First();
        JsonObject manifest = new()
        {
            ["id"] = Or(Id, name.ToLowerInvariant()),
            ["version"] = Version,
            ["kind"] = kind,
        };
        Put(manifest, "description", About);
        manifest["assembly"] = facts.Assembly;
        Put(manifest, "type", type);
        manifest["contracts"] = new JsonObject
        {
            ["min"] = $"{facts.Contracts}",
            ["max"] = $"{facts.Contracts}",
        };
        PutList(manifest, "provides", Provides);
        PutList(manifest, "requires", Requires);
        PutList(manifest, "uses", Uses);
        Put(manifest, "reactor", Or(Reactor, kind == "transport" ? "kernel" : ""));
        Put(manifest, "isolation", Isolation);
        return Encoding.UTF8.GetBytes(manifest.ToJsonString(Style) + "\n");
    }

    private static string Or(string text, string whenEmpty) => text.Length > 0 ? text : whenEmpty;

    private static void Put(JsonObject manifest, string key, string text)
    {
        if (text.Length > 0)
        {
            manifest[key] = text;
        }
    }

    private static void PutList(JsonObject manifest, string key, string list)
    {
        string[] names = list.Split(
            ';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (names.Length > 0)
        {
            manifest[key] = new JsonArray([.. names.Select(static name => JsonValue.Create(name))]);
        }
    }
}
