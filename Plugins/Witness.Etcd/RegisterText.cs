using System.Globalization;
using System.Text;
using System.Text.Json;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Witness.Etcd;

// An entry is one line of JSON, so that a person can read it with etcdctl, and a second line with
// the CRC-32C of the first: what etcd keeps outlives every process, and a register that is not
// exactly what was written is not believed.

/// <summary>An entry as the value of a key.</summary>
internal static class RegisterText
{
    /// <summary>No value is longer.</summary>
    public const int BytesMax = 1024;

    private const int Version = 1;
    private const int ChecksumBytes = 9; // A line feed and eight digits.

    /// <summary>Writes an entry.</summary>
    public static byte[] Encode(RegisterEntry entry)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteNumber("version", Version);
            json.WriteString("register", entry.RegisterId);
            json.WriteNumber("group", entry.Group.Value);
            json.WriteNumber("term", entry.Term.Value);
            json.WriteString("owner", Hex(entry.Owner));
            json.WriteString("sync", Name(entry.Sync));
            json.WriteString("staleNode", Hex(entry.StaleNode));
            json.WriteNumber("staleSince", entry.StaleSince.Value);
            json.WriteString("swap", entry.SwapId);
            json.WriteEndObject();
        }

        uint checksum = Crc32C.Of(stream.GetBuffer().AsSpan(0, (int)stream.Length));
        stream.Write(Encoding.ASCII.GetBytes($"\n{checksum:x8}"));
        return stream.ToArray();
    }

    /// <summary>
    /// Reads an entry; null, and what is wrong, when it is not one of that group.
    /// </summary>
    public static RegisterEntry? Decode(ReadOnlySpan<byte> bytes, GroupId group, out string wrong)
    {
        wrong = CheckSum(bytes);
        if (wrong.Length > 0)
        {
            return null;
        }

        try
        {
            using JsonDocument json = JsonDocument.Parse(bytes[..^ChecksumBytes].ToArray());
            return Read(json.RootElement, group, out wrong);
        }
        catch (Exception failure) when (failure is JsonException or KeyNotFoundException
            or FormatException or InvalidOperationException or OverflowException)
        {
            wrong = $"expected an entry, found another text: {failure.Message}";
            return null;
        }
    }

    private static string CheckSum(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length is <= ChecksumBytes or > BytesMax)
        {
            return $"expected {ChecksumBytes + 1} to {BytesMax} bytes, found {bytes.Length}";
        }

        string expected = $"\n{Crc32C.Of(bytes[..^ChecksumBytes]):x8}";
        string found = Encoding.Latin1.GetString(bytes[^ChecksumBytes..]);
        return expected == found
            ? ""
            : $"expected checksum {expected.Trim()}, found {Shown(found)}";
    }

    private static RegisterEntry? Read(JsonElement json, GroupId group, out string wrong)
    {
        int version = json.GetProperty("version").GetInt32();
        if (version != Version)
        {
            wrong = $"expected version {Version}, found {version}";
            return null;
        }

        int found = json.GetProperty("group").GetInt32();
        ulong term = json.GetProperty("term").GetUInt64();
        wrong = found != group.Value ? $"expected {group}, found group{found}"
            : term == 0 ? "expected a term of 1 or later, found 0"
            : "";
        return wrong.Length > 0 ? null : new RegisterEntry(
            json.GetProperty("register").GetGuid(),
            group,
            new Term(term),
            Number(json.GetProperty("owner")),
            Sync(json.GetProperty("sync").GetString()),
            Number(json.GetProperty("staleNode")),
            new Lsn(json.GetProperty("staleSince").GetUInt64()),
            json.GetProperty("swap").GetGuid());
    }

    private static string Hex(ulong id) => id.ToString("x16", CultureInfo.InvariantCulture);

    private static ulong Number(JsonElement text) => ulong.Parse(
        text.GetString() ?? "", NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static string Name(SyncState sync) => sync switch
    {
        SyncState.New => "New",
        SyncState.InSync => "InSync",
        SyncState.Moved => "Moved",
        _ => "Stale",
    };

    private static SyncState Sync(string? name) => name switch
    {
        "New" => SyncState.New,
        "InSync" => SyncState.InSync,
        "Stale" => SyncState.Stale,
        "Moved" => SyncState.Moved,
        _ => throw new FormatException($"expected a sync state, found {name}"),
    };

    private static string Shown(string text) =>
        string.Concat(text.Trim().Select(static c => c is >= ' ' and <= '~' ? c : '?'));
}
