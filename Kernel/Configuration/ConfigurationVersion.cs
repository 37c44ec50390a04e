using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Configuration;

// A file says in `version` what it was written for; one without was written before there were
// versions, which is 0. A key that changes its name or meaning makes a new version, and a step here
// from the one before. Steps change the text and not the document, so that what a person has put
// beside it, comments and order, stays.

/// <summary>
/// Which form a configuration file has, and how one becomes that of today. Pure.
/// </summary>
internal static class ConfigurationVersion
{
    private const string Key = "version";

    private static readonly JsonReaderOptions Lenient = new()
    {
        CommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
    };

    // The step from version 0 is the first.
    private static readonly Func<string, string>[] Steps = [Say1];

    /// <summary>The version that files of today have.</summary>
    internal static int Current => Steps.Length;

    /// <summary>
    /// The version of a file's text; null when it is no JSON object or its version no such number:
    /// whoever parses it says what is wrong.
    /// </summary>
    internal static int? Of(string text)
    {
        try
        {
            JsonNode? document = JsonNode.Parse(text, null, new JsonDocumentOptions
            {
                CommentHandling = JsonCommentHandling.Skip,
                AllowTrailingCommas = true,
            });
            return document is not JsonObject all ? null
                : all[Key] is not { } said ? 0
                : said is JsonValue number && number.TryGetValue(out int version) && version > 0
                    ? version : null;
        }
        catch (Exception failure) when (failure is JsonException or ArgumentException)
        {
            return null; // No JSON, or a key twice.
        }
    }

    /// <summary>
    /// A file's text in today's form; as it was when it has that, is newer, or is no good.
    /// </summary>
    internal static (string Text, int? From) Migrate(string text)
    {
        int? from = Of(text);
        string migrated = text;
        for (int version = from ?? Current; version < Current; version++)
        {
            migrated = Steps[version](migrated);
        }

        return (migrated, from);
    }

    /// <summary>Refuses what a version after this one has written.</summary>
    internal static void Check(SettingsReader reader)
    {
        int version = reader.Number(NodeKeys.Version);
        if (version > Current)
        {
            reader.Refuse(
                Key, $"at most {Current}, what this version knows", $"{version}",
                "install the version that it was written for, or put back the copy beside it");
        }
    }

    /// <summary>Files say their version from here on; nothing else has changed.</summary>
    private static string Say1(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Utf8JsonReader reader = new(bytes, Lenient);
        _ = reader.Read();
        int at = Encoding.UTF8.GetCharCount(bytes, 0, (int)reader.BytesConsumed);
        bool isEmpty = reader.Read() && reader.TokenType == JsonTokenType.EndObject;
        return text.Insert(at, $"\n  \"{Key}\": 1{(isEmpty ? "\n" : ",")}");
    }
}
