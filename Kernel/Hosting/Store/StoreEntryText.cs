using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>An entry of the store as the text of its file. Pure.</summary>
internal static class StoreEntryText
{
    private static readonly JsonDocumentOptions EachKeyOnce =
        new() { AllowDuplicateProperties = false };

    /// <summary>The text.</summary>
    internal static string Of(StoreEntry entry)
    {
        JsonArray failures = [];
        foreach (PluginFailure failure in entry.Failures)
        {
            failures.Add(new JsonObject
            {
                ["at"] = Text(failure.At),
                ["why"] = failure.Why,
                ["version"] = failure.Version,
            });
        }

        return new JsonObject
        {
            ["id"] = entry.Id,
            ["current"] = entry.Current,
            ["previous"] = entry.Previous,
            ["enabled"] = entry.Enabled,
            ["disabledWhy"] = entry.DisabledWhy,
            ["reason"] = entry.Reason,
            ["changed"] = Text(entry.Changed),
            ["malfunctioned"] = entry.Malfunctioned,
            ["failures"] = failures,
        }.ToJsonString() + "\n";
    }

    /// <summary>Reads the text; what is none of ours is refused.</summary>
    internal static Refusal? TryParse(
        ReadOnlyMemory<byte> text, string id, string file, out StoreEntry? entry)
    {
        entry = null;
        string subject = $"store's state of plugin {id}, {file}";
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, EachKeyOnce);
            StoreEntry read = Read(document.RootElement);
            bool good = read.Id == id && PluginPath.IsName(id)
                && read.Kept.All(PluginPath.IsVersion)
                && (read.Current is not null || read.Previous is null)
                && read.Failures.Count <= Limits.PluginFailuresMax;
            entry = good ? read : null;
            return good ? null : Refused(subject, "an id or version that does not fit");
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException
            or KeyNotFoundException or FormatException)
        {
            return Refused(subject, wrong.Message);
        }
    }

    private static Refusal Refused(string subject, string found) => new(
        subject, "what storageos plugin wrote", found,
        "remove its folder from the store and install it anew");

    private static StoreEntry Read(JsonElement root) => new(
        root.GetProperty("id").GetString() ?? "",
        root.GetProperty("current").GetString(),
        root.GetProperty("previous").GetString(),
        root.GetProperty("enabled").GetBoolean(),
        root.GetProperty("reason").GetString() ?? "",
        Time(root.GetProperty("changed")))
    {
        DisabledWhy = root.TryGetProperty("disabledWhy", out JsonElement why)
            ? why.GetString() : null, // Not known to those who wrote the first stores.
        Malfunctioned = root.GetProperty("malfunctioned").GetString(),
        Failures =
        [
            .. root.GetProperty("failures").EnumerateArray().Select(static failure =>
                new PluginFailure(
                    Time(failure.GetProperty("at")),
                    failure.GetProperty("why").GetString() ?? "",
                    failure.TryGetProperty("version", out JsonElement version)
                        ? version.GetString() ?? "" : "")),
        ],
    };

    private static DateTimeOffset Time(JsonElement text) => DateTimeOffset.Parse(
        text.GetString() ?? "", CultureInfo.InvariantCulture);

    private static string Text(DateTimeOffset time) =>
        time.ToString("O", CultureInfo.InvariantCulture);
}
