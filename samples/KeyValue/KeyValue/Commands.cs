using System.Globalization;
using System.Text;
using StorageOs.Contracts.Plugins;

namespace Sample.KeyValue;

/// <summary>What applications may ask. Reactor thread only.</summary>
internal sealed class Commands(KeyValueClient client, NodeInfo node)
{
    public const int KeysMax = 1000;

    private Replica Replica => client.Replica;

    private Store Store => client.Store;

    /// <summary>Runs a command; it is answered once, now or later.</summary>
    /// <param name="words">The command, each byte as one letter of Latin 1.</param>
    /// <param name="answer">Takes the answer.</param>
    public void Run(string[] words, Action<byte[]> answer)
    {
        string name = words[0].ToUpperInvariant();
        if (Refuses(name, words) is { } error)
        {
            answer(Resp.Error(error));
            return;
        }

        switch (name)
        {
            case "SET":
                Replica.Write(FrameKind.Set, words[1], Encoding.Latin1.GetBytes(words[2]),
                    outcome => answer(
                        outcome.Error is { } why ? Resp.Error(why) : Resp.Ok));
                client.Pump();
                break;
            case "DEL":
                Delete([.. words.Skip(1)], answer);
                client.Pump();
                break;
            default:
                answer(Read(name, words));
                break;
        }
    }

    private static (int Min, int Max)? WordsOf(string name) => name switch
    {
        "PING" => (1, 2),
        "GET" or "ECHO" or "KEYS" or "SELECT" => (2, 2),
        "SET" => (3, 3),
        "DEL" or "EXISTS" or "MGET" => (2, Resp.WordsMax),
        "DBSIZE" => (1, 1),
        "INFO" => (1, 2),
        _ => null,
    };

    private string? Refuses(string name, string[] words)
    {
        if (WordsOf(name) is not var (min, max))
        {
            return "ERR unknown command";
        }

        if (words.Length < min || words.Length > max)
        {
            return $"ERR wrong number of arguments for '{name}'; options are not supported";
        }

        bool ofKeys = name is "GET" or "SET" or "DEL" or "EXISTS" or "MGET";
        int keys = name == "SET" ? 2 : words.Length;
        if (ofKeys && words[1..keys].Any(static key => key.Length > Frame.KeyBytesMax))
        {
            return $"ERR a key has at most {Frame.KeyBytesMax} bytes";
        }

        return name == "SET" && words[2].Length > Frame.ValueBytesMax
            ? $"ERR a value has at most {Frame.ValueBytesMax} bytes"
            : ofKeys || name is "KEYS" or "DBSIZE" ? Replica.MayNotServe() : null;
    }

    private byte[] Read(string name, string[] words) => name switch
    {
        "PING" when words.Length == 1 => Resp.Simple("PONG"),
        "PING" or "ECHO" => Resp.Bulk(Encoding.Latin1.GetBytes(words[1])),
        "SELECT" => words[1] == "0" ? Resp.Ok : Resp.Error("ERR there is one database, 0"),
        "GET" => Get(words[1]),
        "MGET" => Resp.Array([.. words.Skip(1).Select(Get)]),
        "EXISTS" => Resp.Integer(words.Skip(1).Count(Store.Map.ContainsKey)),
        "DBSIZE" => Resp.Integer(Store.Map.Count),
        "KEYS" => Keys(words[1]),
        _ => Resp.Bulk(Encoding.UTF8.GetBytes(Info())),
    };

    private byte[] Get(string key) =>
        Store.Map.TryGetValue(key, out byte[]? value) ? Resp.Bulk(value) : Resp.Nothing;

    private byte[] Keys(string pattern)
    {
        string prefix = pattern.TrimEnd('*');
        if (prefix.AsSpan().ContainsAny("*?[\\"))
        {
            return Resp.Error("ERR a pattern is a key, or the beginning of keys with * behind it");
        }

        byte[][] keys =
        [
            .. Store.Map.Keys
                .Where(key => prefix == pattern
                    ? key == prefix : key.StartsWith(prefix, StringComparison.Ordinal))
                .Take(KeysMax + 1)
                .Select(static key => Resp.Bulk(Encoding.Latin1.GetBytes(key))),
        ];
        return keys.Length > KeysMax
            ? Resp.Error($"ERR more than {KeysMax} keys") : Resp.Array(keys);
    }

    /// <summary>Each key is a write of its own; answered when all of them are made.</summary>
    private void Delete(string[] keys, Action<byte[]> answer)
    {
        int left = keys.Length;
        int deleted = 0;
        string? error = null;
        foreach (string key in keys)
        {
            Replica.Write(FrameKind.Delete, key, [], outcome =>
            {
                deleted += outcome.Existed ? 1 : 0;
                error ??= outcome.Error;
                if (--left == 0)
                {
                    answer(error is null ? Resp.Integer(deleted) : Resp.Error(error));
                }
            });
        }
    }

    private string Info() => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        # Server
        process_id:{Environment.ProcessId}
        # Replication
        node:{node.Name}
        partner:{node.PartnerName}
        state:{Replica.State}
        why:{Replica.Why}
        takes_writes:{(Replica.TakesWrites ? 1 : 0)}
        writes:{Store.History.Count}
        # Keyspace
        keys:{Store.Map.Count}
        bytes:{Store.LiveBytes}

        """).ReplaceLineEndings("\r\n");
}
