using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace StorageOs.Kernel.Cli.Support;

/// <summary>
/// Takes out of texts what nobody else may know: what is in the files of secrets, wherever it
/// stands, and what looks like a secret by where it stands.
/// </summary>
internal sealed partial class Secrets
{
    /// <summary>What stands in a secret's place.</summary>
    internal const string Removed = "(removed)";

    private const int BytesMin = 8; // Less is found by chance.
    private readonly HashSet<string> known = [];

    /// <summary>Takes a file's content for a secret, in each way that it is written.</summary>
    internal void AddFile(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        if (bytes.Length < BytesMin)
        {
            return;
        }

        Add(Convert.ToHexString(bytes));
        Add(Convert.ToHexStringLower(bytes));
        Add(Convert.ToBase64String(bytes));
        foreach (string line in Encoding.Latin1.GetString(bytes).Split('\n'))
        {
            Add(line.Trim());
        }
    }

    /// <summary>Takes a text for a secret.</summary>
    internal void Add(string text)
    {
        if (text.Length >= BytesMin)
        {
            _ = known.Add(text);
            _ = known.Add(JsonEncodedText.Encode(text).Value);
        }
    }

    /// <summary>A text without them.</summary>
    internal string Without(string text)
    {
        // The longest first: one may be a part of another.
        foreach (string secret in known.OrderByDescending(static one => one.Length))
        {
            text = text.Replace(secret, Removed, StringComparison.Ordinal);
        }

        text = Userinfo().Replace(text, $"$1{Removed}@");
        return Assigned().Replace(text, $"$1{Removed}");
    }

    /// <summary>
    /// A configuration without them: what a key calls a secret, unless it is where a file is, and
    /// that file's content wherever it stands.
    /// </summary>
    /// <param name="json">The configuration.</param>
    /// <param name="folder">What paths in it are relative to.</param>
    internal string Configuration(string json, string folder)
    {
        JsonNode? root;
        try
        {
            root = JsonNode.Parse(json, documentOptions: new()
            {
                CommentHandling = JsonCommentHandling.Skip,
                AllowTrailingCommas = true,
            });
        }
        catch (JsonException)
        {
            return $"no JSON, and so left out: {Removed}";
        }

        Redact(root, folder, isSecret: false);
        return Without(root?.ToJsonString(new() { WriteIndented = true }) ?? "");
    }

    // What a key calls a secret is one with all that is below it.
    private void Redact(JsonNode? node, string folder, bool isSecret)
    {
        switch (node)
        {
            case JsonObject values:
                foreach ((string key, JsonNode? value) in values.ToArray())
                {
                    Redact(value, folder, isSecret || Secret().IsMatch(key));
                }

                break;
            case JsonArray list:
                foreach (JsonNode? item in list.ToArray())
                {
                    Redact(item, folder, isSecret);
                }

                break;
            case JsonValue value when isSecret:
                value.ReplaceWith(Named($"{value}", folder));
                break;
        }
    }

    private string Named(string value, string folder)
    {
        string path = Path.Combine(folder, value);
        if (!File.Exists(path))
        {
            Add(value);
            return Removed;
        }

        AddFile(path);
        return value;
    }

    [GeneratedRegex("password|passphrase|secret|token|credential|key", RegexOptions.IgnoreCase)]
    private static partial Regex Secret();

    // http://user:password@host
    [GeneratedRegex(@"(\b[a-z][a-z0-9+.-]*://)[^/@\s""]+@", RegexOptions.IgnoreCase)]
    private static partial Regex Userinfo();

    // token=…, Authorization: Bearer …
    [GeneratedRegex(
        @"((?:token|password|passphrase|secret)=|bearer\s+)[^\s""&,;]+", RegexOptions.IgnoreCase)]
    private static partial Regex Assigned();
}
