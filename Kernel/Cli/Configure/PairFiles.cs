using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Cli.Configure;

// As in PairLayout, the plugins' ids and settings are text that a person would write: the kernel
// knows none of these names.

/// <summary>The files of two machines that are to be a pair.</summary>
/// <param name="answers">To <see cref="Question.All"/>, by name.</param>
internal sealed class PairFiles(IReadOnlyDictionary<string, string> answers)
{
    private const string MemoryAddress = "0x5000000000";
    private const string Run = "/run/storageos";
    private const string State = "/var/lib/storageos";
    private const int Port = 7900;
    private const int NbdPort = 10809;
    private const long LogBytes = 256L * Size.MiB;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static readonly Dictionary<string, string> Comments = new()
    {
        ["node"] = "This machine. \"process\" answers a flush when both nodes' memory has it;"
            + " \"power\" needs persistent memory on both.",
        ["partner"] = "The other one, as it is found before it has said a word.",
        ["pair"] = "The same on both. Who has the key is one of the two.",
        ["transport"] = "How this machine is reached; tls goes by the pair's key.",
        ["management"] = "Where the command line reaches this node, on this machine alone.",
        ["plugins"] = "Sizes are in bytes. A log holds what the volumes' disks have not yet.",
    };

    private readonly string id = $"{Guid.NewGuid()}";

    /// <summary>Name of the first node.</summary>
    internal string NameA => answers["a"];

    /// <summary>Name of the second.</summary>
    internal string NameB => answers["b"];

    /// <summary>The witness's folder when the unit does not know it yet; else null.</summary>
    internal string? WitnessFolder =>
        answers["witness"] is ['/', ..] and not "/mnt/witness" ? answers["witness"] : null;

    /// <summary>Writes them; what is there already is never written over.</summary>
    /// <returns>Full paths.</returns>
    /// <exception cref="RefusedException">One is there, or what was made is no good.</exception>
    internal IReadOnlyList<string> Write(string folder)
    {
        if (NameA == NameB)
        {
            throw new RefusedException(new Refusal(
                "--b", "another name than the first node's", $"\"{NameB}\" twice"));
        }

        string key = Path.Combine(folder, "pair.key");
        string[] nodes = [.. new[] { NameA, NameB }.Select(
            name => Path.Combine(folder, name, "node.json"))];
        foreach (string file in nodes.Append(key).Where(File.Exists))
        {
            throw new RefusedException(new Refusal(
                file, "no such file yet", "one", "choose another --into, or remove it yourself"));
        }

        _ = Directory.CreateDirectory(folder);
        WriteKey(key);
        try
        {
            string[] texts = [Text(first: true), Text(first: false)];
            Array.ForEach(texts, text => RequireGood(text, key));
            foreach ((string file, string text) in nodes.Zip(texts))
            {
                _ = Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                File.WriteAllText(file, text);
            }
        }
        catch
        {
            File.Delete(key); // So that the corrected answers find nothing that is in the way.
            throw;
        }

        return [.. nodes, key];
    }

    /// <summary>A node's configuration, with comments.</summary>
    internal string Text(bool first)
    {
        string name = first ? NameA : NameB;
        StringBuilder text = new();
        _ = text.Append(CultureInfo.InvariantCulture,
            $"// Node {name} of a pair, as storageos config init wrote it; docs/CONFIGURATION.md")
            .Append(" and storageos config explain have all keys.\n");
        foreach (string line in Configuration(first).ToJsonString(Indented).Split('\n'))
        {
            string? key = Comments.Keys.FirstOrDefault(
                one => line.StartsWith($"  \"{one}\":", StringComparison.Ordinal));
            _ = key is null ? text : text.Append(
                CultureInfo.InvariantCulture, $"\n  // {Comments[key]}\n");
            _ = text.Append(line).Append('\n');
        }

        return $"{text}";
    }

    private static void WriteKey(string path)
    {
        using FileStream file = new(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        file.Write(RandomNumberGenerator.GetBytes(Limits.KeyBytesMin));
    }

    /// <summary>Reads it as a node would, with the key that lies beside it here.</summary>
    private static void RequireGood(string text, string key)
    {
        using MemoryStream stream = new(Encoding.UTF8.GetBytes(text));
        if (NodeConfiguration.Parse(stream, key, [$"pair:keyFile={key}"], out _)
            is [var refusal, ..])
        {
            throw new RefusedException(refusal with
            {
                Subject = "what was answered" + Tail(refusal),
            });
        }
    }

    // The key of the file that an answer went to, without the file, which is not written yet.
    private static string Tail(Refusal refusal)
    {
        int at = refusal.Subject.IndexOf(", key ", StringComparison.Ordinal);
        return at < 0 ? "" : refusal.Subject[at..];
    }

    private JsonObject Configuration(bool first)
    {
        (string own, string other) = first ? ("a", "b") : ("b", "a");
        return new JsonObject
        {
            ["version"] = ConfigurationVersion.Current,
            ["node"] = new JsonObject
            {
                ["name"] = answers[own],
                ["systemId"] = own,
                ["dataDirectory"] = $"{State}/data",
                ["nvramDirectory"] = "/dev/shm/storageos",
                ["persistence"] = "process",
            },
            ["partner"] = new JsonObject
            {
                ["name"] = answers[other],
                ["systemId"] = other,
                ["address"] = answers[$"{other}-address"],
                ["port"] = Port,
                ["memoryAddress"] = MemoryAddress,
            },
            ["pair"] = new JsonObject { ["id"] = id, ["keyFile"] = "pair.key" },
            ["transport"] = new JsonObject
            {
                ["name"] = answers["transport"],
                ["address"] = answers[$"{own}-address"],
                ["port"] = Port,
                ["memoryAddress"] = MemoryAddress,
                ["options"] = new JsonObject
                {
                    ["tcp.tls"] = "pair-key",
                    ["tcp.keyFile"] = "/etc/storageos/pair.key",
                },
            },
            ["management"] = new JsonObject { ["socket"] = $"{Run}/manage.sock" },
            ["plugins"] = new JsonObject { ["settings"] = Settings() },
        };
    }

    private JsonObject Settings()
    {
        JsonArray volumes = [];
        JsonArray addresses = [];
        foreach (int group in new[] { 0, 1 })
        {
            _ = ByteSize.TryParse(answers["size"], out long bytes);
            volumes.Add(new JsonObject
            {
                ["name"] = $"vol{group}",
                ["group"] = group,
                ["sizeBytes"] = bytes,
            });
            JsonObject address = new()
            {
                ["group"] = group,
                ["host"] = answers.GetValueOrDefault(group == 0 ? "a-service" : "b-service")
                    ?? "0.0.0.0",
                ["port"] = NbdPort + group,
                ["socket"] = Run,
            };
            if (answers.ContainsKey("a-service"))
            {
                address["interface"] = answers["interface"];
            }

            addresses.Add(address);
        }

        JsonObject settings = new()
        {
            ["nvram-mirror"] = new JsonObject { ["logBytes"] = LogBytes },
            ["volumes"] = new JsonObject { ["volumes"] = volumes },
            ["nbd-export"] = new JsonObject { ["addresses"] = addresses },
            ["failover-monitor"] = new JsonObject(),
        };
        AddWitness(settings, answers["witness"]);
        return settings;
    }

    private void AddWitness(JsonObject settings, string witness)
    {
        if (witness == "none")
        {
            settings["failover-monitor"] = new JsonObject { ["witness"] = "none" };
        }
        else if (witness.StartsWith('/'))
        {
            settings["witness-file"] = new JsonObject { ["directory"] = witness };
        }
        else
        {
            settings["witness-etcd"] = new JsonObject
            {
                ["endpoints"] = witness,
                ["prefix"] = $"storageos/{id}",
            };
        }
    }
}
