using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Configuration;

// A key is declared once, in NodeKeys. The reader takes from there what a value must be and what
// holds without one, and so does docs/CONFIGURATION.md, so that the two cannot differ.

/// <summary>A key of a node's own configuration.</summary>
/// <param name="Key">Its whole name, as refusals and <c>--set</c> have it.</param>
/// <param name="Meaning">What it is for, in words that need nothing else.</param>
internal abstract record Setting(string Key, string Meaning)
{
    /// <summary>What a value must be, in words.</summary>
    internal abstract string Expected { get; }

    /// <summary>
    /// What holds without the key, as a file would have it or in words; null when it must be there.
    /// </summary>
    internal virtual string? Default { get; init; }

    /// <summary>Whether a node that runs reads it again when one of its plugins changes.</summary>
    internal bool IsLive { get; init; }
}

/// <summary>A name in status and logs.</summary>
internal sealed record NameSetting(string Key, string Meaning) : Setting(Key, Meaning)
{
    /// <summary>What it consists of.</summary>
    internal const string Letters = "letters, digits, dots, dashes and underscores";

    internal override string Expected => $"1 to {Limits.NameCharsMax} {Letters}";
}

/// <summary>A text that somebody else makes sense of.</summary>
internal sealed record TextSetting(string Key, int CharsMax, string Meaning) : Setting(Key, Meaning)
{
    internal override string Expected => $"1 to {CharsMax} printable characters";
}

/// <summary>A path; a relative one starts at the file's folder.</summary>
internal sealed record PathSetting(string Key, string Meaning) : Setting(Key, Meaning)
{
    internal override string Expected => "a path";
}

/// <summary>A 64-bit number in hexadecimal, with or without 0x; not 0.</summary>
internal sealed record HexSetting(string Key, string Meaning) : Setting(Key, Meaning)
{
    internal override string Expected => "1 to 16 hexadecimal digits, not all 0";
}

/// <summary>An address of a page in memory.</summary>
internal sealed record PageSetting(string Key, string Meaning) : Setting(Key, Meaning)
{
    internal override string Expected => $"a multiple of {Size.Page} in hexadecimal, not 0";
}

/// <summary>A port number of the transport.</summary>
internal sealed record PortSetting(string Key, string Meaning) : Setting(Key, Meaning)
{
    internal override string Expected => $"a whole number from 1 to {uint.MaxValue}";
}

/// <summary>An address of IP and a TCP port.</summary>
internal sealed record EndPointSetting(string Key, string Meaning) : Setting(Key, Meaning)
{
    internal override string Expected => "an IP address and a TCP port, such as 10.0.0.1:7800";
}

/// <summary>A whole number between two others.</summary>
internal sealed record NumberSetting(string Key, int Least, int Most, int Usual, string Meaning)
    : Setting(Key, Meaning)
{
    internal override string Expected => $"a whole number from {Least} to {Most}";

    internal override string? Default { get; init; } = $"{Usual}";
}

/// <summary>true or false.</summary>
internal sealed record FlagSetting(string Key, bool Usual, string Meaning) : Setting(Key, Meaning)
{
    internal override string Expected => "true or false";

    internal override string? Default => Usual ? "true" : "false";
}

/// <summary>A GUID.</summary>
internal sealed record IdSetting(string Key, string Meaning) : Setting(Key, Meaning)
{
    internal override string Expected => "a GUID that is not all 0";
}

/// <summary>One of an enumeration's names, in any case.</summary>
internal sealed record ChoiceSetting<TChoice>(string Key, TChoice Usual, string Meaning)
    : Setting(Key, Meaning)
    where TChoice : struct, Enum
{
    internal override string Expected =>
        string.Join(" or ", Enum.GetNames<TChoice>().Select(name => name.ToLowerInvariant()));

    internal override string? Default => Usual.ToString().ToLowerInvariant();
}

/// <summary>A list of texts.</summary>
internal sealed record ListSetting(string Key, int CountMax, string Meaning) : Setting(Key, Meaning)
{
    internal override string Expected => $"a list of at most {CountMax}";
}

/// <summary>A group of keys that somebody else makes sense of.</summary>
internal sealed record GroupSetting(string Key, string Meaning) : Setting(Key, Meaning)
{
    internal override string Expected => "a group of keys";

    internal override string? Default => "none";
}
