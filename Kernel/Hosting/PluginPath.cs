namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Names of files within a plugin's folder or bundle. One spelling for each file, none that leads
/// out of the folder. Pure.
/// </summary>
internal static class PluginPath
{
    /// <summary>What is wrong with a path; null when it is good.</summary>
    internal static string? Problem(string path)
    {
        if (path.Length is 0 or > Limits.PluginPathCharsMax)
        {
            return $"{path.Length} characters";
        }

        if (path.Any(static letter => letter is < ' ' or > '~' or '\\' or ':'))
        {
            return "a character other than printable ASCII, or a backslash or colon";
        }

        return path.Split('/').Any(static part => part is "" or "." or ".." || part[^1] == ' ')
            ? $"\"{path}\""
            : null;
    }

    /// <summary>What a good path looks like, for refusals.</summary>
    internal const string Expected = "a relative path with / that stays within the folder";

    /// <summary>Whether a text can be the name of a folder of the store.</summary>
    internal static bool IsName(string text) =>
        text.Length is > 0 and <= Limits.NameCharsMax && char.IsAsciiLetterOrDigit(text[0])
        && text.All(static letter => char.IsAsciiLetterOrDigit(letter) || "._-".Contains(letter));

    /// <summary>
    /// Whether a version can name a folder, beside files whose names begin with a letter.
    /// </summary>
    internal static bool IsVersion(string text) =>
        text.Length is > 0 and <= Limits.NameCharsMax && char.IsAsciiDigit(text[0])
        && text.All(static letter => char.IsAsciiLetterOrDigit(letter) || "._-+".Contains(letter));
}
