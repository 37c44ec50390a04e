using System.Diagnostics;
using System.Text.Json.Nodes;

namespace StorageOs.Sdk.Tests;

/// <summary>A pair that runs, and what its operator does with it.</summary>
public sealed class Operator : IDisposable
{
    private static readonly string[] Nodes = ["a", "b"];
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("storageos-op-");

    /// <summary>
    /// Starts a pair; its nodes want plugins to be signed, but for those that are there already.
    /// </summary>
    public Operator(params string[] more)
    {
        Directory.CreateDirectory(Trusted);
        Do([
            "pair", "--detach", "--size", "16M", "--nbd-port", $"{FreePort()}",
            "--web-port", "0", .. more]);
        Edit(plugins => plugins["trust"] = Trusted);
        RequireSigned(true);
    }

    /// <summary>Starts a pair that has a plugin from the beginning, with a setting.</summary>
    public Operator(string plugin, (string Id, string Key, string Value) setting)
    {
        Do(
            "pair", "--detach", "--size", "64M", "--nbd-port", $"{FreePort()}",
            "--web-port", "0", "--plugin", plugin);
        Do("stop");
        Configure(setting.Id, setting.Key, setting.Value);
        Do("start");
    }

    private string Trusted => Path.Combine(folder.FullName, "trust");

    private string Pair => Path.Combine(folder.FullName, "pair");

    /// <summary>Runs a command, which must succeed.</summary>
    public void Do(params string[] arguments)
    {
        (int code, string said) = Run(arguments);
        Assert.True(code == 0, $"{string.Join(' ', arguments)}: {code}\n{said}");
    }

    /// <summary>Runs a command until it succeeds.</summary>
    public void Insist(params string[] arguments)
    {
        string said = "";
        Until(
            () =>
            {
                (int code, said) = Run(arguments);
                return code == 0;
            },
            () => said);
    }

    /// <summary>Whether the nodes take signed plugins alone.</summary>
    public void RequireSigned(bool required) =>
        Edit(plugins => plugins["requireSigned"] = required);

    /// <summary>Makes a pair of keys and trusts it.</summary>
    public void Trust(string maker)
    {
        NewKey(maker);
        File.Copy(
            Path.Combine(folder.FullName, $"{maker}.pem"), Path.Combine(Trusted, $"{maker}.pem"));
    }

    /// <summary>Makes a pair of keys.</summary>
    public void NewKey(string maker) =>
        Do("plugin", "keygen", "--out", Path.Combine(folder.FullName, maker));

    /// <summary>Signs a bundle.</summary>
    public void Sign(string maker, string bundle) => Do(
        "plugin", "sign", bundle, "--key", Path.Combine(folder.FullName, $"{maker}.key.pem"));

    /// <summary>Installs a bundle, which must be refused, with the reason.</summary>
    public void Refuses(string bundle, string reason)
    {
        (int code, string said) = Run("plugin", "install", bundle);
        Assert.True(code == 1, $"{code}\n{said}");
        Assert.Contains(reason, Words(said), StringComparison.Ordinal);
    }

    /// <summary>
    /// Installs a bundle, which the first node must not be able to run: that one shows the reason,
    /// and the other is left as it was.
    /// </summary>
    public void Fails(string bundle, string reason)
    {
        Refuses(bundle, reason);
        string id = $"{Path.GetFileName(Path.GetDirectoryName(Path.GetDirectoryName(bundle)))}"
            .ToLowerInvariant();
        Assert.Contains(reason, Row("a", id)!["reason"]!.GetValue<string>());
        Assert.Null(Row("b", id));
        Do("plugin", "remove", id, "--node", "a");
    }

    /// <summary>Sets what a plugin is to do, on both nodes.</summary>
    public void Configure(string id, string what) =>
        Configure(id, "do", what);

    /// <summary>Sets one setting of a plugin, and no other, on both nodes.</summary>
    public void Configure(string id, string key, string value) => Edit(plugins =>
        plugins["settings"]!.AsObject()[id] = new JsonObject { [key] = value });

    /// <summary>A node's data directory.</summary>
    public string DataOf(string node) => Path.Combine(Pair, node, "data");

    /// <summary>Where a node's mirrored memory lies.</summary>
    public string MemoryOf(string node) => $"{JsonNode.Parse(
        File.ReadAllText(Path.Combine(Pair, node, "config.json")))!["node"]!["nvramDirectory"]}";

    /// <summary>Waits until a node's list shows a plugin so.</summary>
    public void Shows(string node, string id, string standing, string reason) => Until(
        () => Row(node, id) is { } row && $"{row["standing"]}" == standing
            && $"{row["reason"]}".Contains(reason, StringComparison.Ordinal),
        () => $"{Row(node, id)}");

    /// <summary>Waits until the twin in b has heard these words.</summary>
    public void Hears(string words) => Until(
        () => Log("b").Contains($"heard: {words}", StringComparison.Ordinal), () => Log("b"));

    /// <summary>Versions, standings and signatures of a plugin.</summary>
    public string Standing(string node, string id) => string.Join(
        ", ", Rows(node).Where(row => $"{row!["id"]}" == id)
            .Select(row => $"{row!["version"]} {row["standing"]} {row["signature"]}"));

    /// <summary>The session that the nodes have; there must be one.</summary>
    public string Session()
    {
        string session = "";
        Until(
            () => (session = $"{Status()["nodes"]!.AsArray()
                .FirstOrDefault()?["session"]?["id"]}").Length > 0,
            () => $"{Status()}");
        return session;
    }

    /// <summary>Waits until something holds.</summary>
    public void Until(Func<bool> condition) => Until(condition, () => $"{Status()}");

    /// <inheritdoc/>
    public void Dispose()
    {
        _ = Run("stop");
        string fast = File.ReadAllText(Path.Combine(Pair, "fast-folder")).Trim();
        Directory.Delete(fast, recursive: true); // A third of a GiB of the machine's memory.
        folder.Delete(recursive: true);
    }

    private static void Until(Func<bool> condition, Func<string> seen) =>
        Assert.True(SpinWait.SpinUntil(condition, Soon), seen());

    private static string Words(string said) => string.Join(
        ' ', said.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static int FreePort()
    {
        using System.Net.Sockets.TcpListener listener = new(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>What a node says of itself.</summary>
    public JsonNode Node(string node) => Status()["nodes"]!.AsArray()
        .Single(each => $"{each!["name"]}" == node)!;

    private JsonNode Status() => Json("status");

    private JsonNode? Row(string node, string id) =>
        Rows(node).FirstOrDefault(row => $"{row!["id"]}" == id);

    private JsonArray Rows(string node) => Json("plugin", "list")["nodes"]!.AsArray()
        .Single(each => $"{each!["name"]}" == node)!["standings"]!.AsArray();

    private JsonNode Json(params string[] arguments)
    {
        (_, string said) = Run([.. arguments, "-o", "json"]);
        return JsonNode.Parse(said)!;
    }

    private string Log(string node) =>
        File.ReadAllText(Path.Combine(Pair, node, "log.txt"));

    private void Edit(Action<JsonObject> change)
    {
        foreach (string node in Nodes)
        {
            string file = Path.Combine(Pair, node, "config.json");
            JsonObject config = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
            change(config["plugins"]!.AsObject());
            File.WriteAllText(file, config.ToJsonString());
        }
    }

    private (int Code, string Said) Run(params string[] arguments)
    {
        ProcessStartInfo start = new(
            Path.Combine(Workshop.Root, "storageos"), [.. arguments, .. Where(arguments)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string said = process.StandardOutput.ReadToEnd() + error.GetAwaiter().GetResult();
        process.WaitForExit();
        return (process.ExitCode, said);
    }

    private string[] Where(string[] arguments) =>
        arguments is ["plugin", "keygen" or "sign", ..] ? [] : ["--dir", Pair];
}
