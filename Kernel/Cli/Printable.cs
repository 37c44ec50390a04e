using System.Globalization;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// Texts for a terminal. What a plugin, a file or another node says may hold characters that move
/// a terminal's cursor, colour it or hide what follows; these are shown by their number. Pure.
/// </summary>
internal static class Printable
{
    /// <summary>The text, with nothing in it that a terminal obeys but ends of lines.</summary>
    internal static string Of(string text) => text.All(IsShown) ? text
        : string.Concat(text.Select(static letter =>
            IsShown(letter) ? $"{letter}" : $"\\u{(int)letter:x4}"));

    private static bool IsShown(char letter) => letter is '\n' or '\t'
        || char.GetUnicodeCategory(letter) is not (UnicodeCategory.Control
            or UnicodeCategory.Format or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator);
}
