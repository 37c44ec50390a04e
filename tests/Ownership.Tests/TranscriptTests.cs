using System.Runtime.CompilerServices;
using System.Text;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;
using StorageOs.Ownership.Tests.Model;

namespace StorageOs.Ownership.Tests;

/// <summary>
/// Stories of ownership as a person can read them and a diff can review: what each node hears
/// (&lt;-), what it has done (-&gt;), and at the end of each scene (=) what came of it.
/// </summary>
public sealed class TranscriptTests
{
    private static readonly Dictionary<string, Action<ModelPair>> Stories = new()
    {
        ["new-pair"] = static _ => { },
        ["owner-killed"] = static pair =>
        {
            Scene(pair, "a is killed", () => ModelPair.Kill(pair.Nodes[0]));
            Scene(pair, "a is started again", () => Start(pair, 0));
        },
        ["partner-killed"] = static pair =>
        {
            Scene(pair, "b is killed", () => ModelPair.Kill(pair.Nodes[1]));
            Scene(pair, "b is started again", () => Start(pair, 1));
        },
        ["owner-paused"] = static pair =>
        {
            Scene(pair, "a is stopped", () => Pause(pair));
            Scene(pair, "a runs on", () => Wake(pair));
        },
        ["both-down-and-up"] = static pair =>
        {
            Scene(pair, "a is killed", () => ModelPair.Kill(pair.Nodes[0]));
            Scene(pair, "b, alone, is killed, too", () => ModelPair.Kill(pair.Nodes[1]));
            Scene(pair, "a is started", () => pair.Nodes[0].Start());
            Scene(pair, "b is started", () => Start(pair, 1));
        },
        ["planned-move"] = static pair =>
            Scene(pair, "b is asked to take over", () => pair.Nodes[1].Post(new TakeoverAsked(7))),
        ["owner-killed-while-the-witness-is-away"] = static pair =>
        {
            Scene(pair, "the witness is away and a is killed", () =>
            {
                pair.Register.Answers = false;
                ModelPair.Kill(pair.Nodes[0]);
            });
            Scene(pair, "the witness is back", () => pair.Register.Answers = true);
        },
        ["no-witness-owner-killed"] = static pair =>
        {
            Scene(pair, "a is killed", () => ModelPair.Kill(pair.Nodes[0]));
            Scene(pair, "a is started again", () => Start(pair, 0));
        },
        ["no-witness-owner-paused"] = static pair =>
        {
            Scene(pair, "a is stopped", () => Pause(pair));
            Scene(pair, "a runs on", () => Wake(pair));
        },
        ["no-witness-link-lost-then-owner-killed"] = static pair =>
        {
            Scene(pair, "the link is lost", () => Array.ForEach(
                pair.Nodes, static node => node.LeaveSession(SessionEndReason.BeatStill)));
            Scene(pair, "a, which went alone, is killed", () => ModelPair.Kill(pair.Nodes[0]));
            Scene(pair, "a is started, the link is back", () => Start(pair, 0));
        },
        ["no-witness-both-down-and-up"] = static pair =>
        {
            Scene(pair, "a is killed", () => ModelPair.Kill(pair.Nodes[0]));
            Scene(pair, "b, alone, is killed, too", () => ModelPair.Kill(pair.Nodes[1]));
            Scene(pair, "a is started", () => pair.Nodes[0].Start());
            Scene(pair, "b is started", () => Start(pair, 1));
        },
        ["no-witness-planned-move"] = static pair =>
            Scene(pair, "b is asked to take over", () => pair.Nodes[1].Post(new TakeoverAsked(7))),
        ["no-witness-force"] = static pair =>
        {
            Scene(pair, "b is killed", () => ModelPair.Kill(pair.Nodes[1]));
            Scene(pair, "a, alone, is killed", () => ModelPair.Kill(pair.Nodes[0]));
            Scene(pair, "b is started", () => pair.Nodes[1].Start());
            Scene(pair, "the operator forces b", () => pair.Nodes[1].Post(
                new ForceAsked(pair.Nodes[1].Core!.Known!.Term)));
            Scene(pair, "a is started again", () => Start(pair, 0));
        },
    };

    public static TheoryData<string> Names => new(Stories.Keys);

    [Theory]
    [MemberData(nameof(Names))]
    public void A_story_is_told_as_before(string name)
    {
        bool noWitness = name.StartsWith("no-witness", StringComparison.Ordinal);
        ModelPair pair = new(1, tell: true, noWitness);
        pair.Register.Faulty = false;
        Scene(pair, "both nodes are new", () =>
        {
            Array.ForEach(pair.Nodes, static node => node.Start());
            pair.Connect();
        });
        Stories[name](pair);
        Matches(Path.Combine(Folder(), "Transcripts", name + ".txt"), Readable(pair.Story));
    }

    private static void Start(ModelPair pair, int node)
    {
        pair.Nodes[node].Start();
        pair.Connect();
    }

    private static void Pause(ModelPair pair)
    {
        pair.Nodes[0].Paused = true;
        pair.Nodes[1].LeaveSession(SessionEndReason.BeatStill);
    }

    private static void Wake(ModelPair pair)
    {
        pair.Nodes[0].Paused = false;
        pair.Nodes[0].LeaveSession(SessionEndReason.PartnerRestarted);
        pair.Connect();
    }

    /// <summary>Something happens, and what follows from it runs to its end.</summary>
    private static void Scene(ModelPair pair, string title, Action happens)
    {
        pair.Write($"# {title}");
        happens();
        pair.Pass(40);
        foreach (ModelNode node in pair.Nodes)
        {
            string why = node.Core?.Why ?? "";
            pair.Write($"= {node.Name}: {(node.Paused ? "stopped" : node.Core?.State ?? "down")}"
                + (why.Length == 0 ? "" : $"; {why}"));
        }

        RegisterEntry? entry = pair.Entry;
        pair.Write(
            $"= term {entry?.Term}, owner {(entry?.Owner == 1 ? "a" : "b")}, {entry?.Sync}\n");
    }

    /// <summary>Of reads that say the same again and again the first is told.</summary>
    private static string Readable(string story)
    {
        StringBuilder told = new();
        Dictionary<string, string> last = [];
        foreach (string line in story.Split('\n'))
        {
            int read = line.IndexOf(" <- register:", StringComparison.Ordinal);
            string node = read < 0 ? "" : line[..read];
            if (read < 0 || last.GetValueOrDefault(node) != line)
            {
                told.Append(line).Append('\n');
            }

            last[node] = read < 0 ? "" : line;
        }

        return told.ToString();
    }

    /// <summary>Compares with a file that a person reviews; STORAGEOS_ACCEPT=1 writes it.</summary>
    private static void Matches(string file, string actual)
    {
        actual = actual.TrimEnd() + "\n";
        if (Environment.GetEnvironmentVariable("STORAGEOS_ACCEPT") == "1")
        {
            _ = Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, actual);
        }

        Assert.True(File.Exists(file), $"{file} is missing; accept it with STORAGEOS_ACCEPT=1");
        Assert.Equal(File.ReadAllText(file), actual);
    }

    private static string Folder([CallerFilePath] string file = "") =>
        Path.GetDirectoryName(file)!;
}
