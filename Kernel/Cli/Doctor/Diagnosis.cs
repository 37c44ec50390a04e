using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Cli.Doctor;

/// <summary>How what was found compares with what a node needs.</summary>
internal enum Verdict
{
    /// <summary>As it should be.</summary>
    Good,

    /// <summary>Nobody could say.</summary>
    Unknown,

    /// <summary>A node works with it, and would work better without.</summary>
    Advice,

    /// <summary>A node does not work, or does not keep what it promises.</summary>
    Bad,
}

/// <summary>What one look at a machine has found.</summary>
/// <param name="Check">What was looked at, in a word or two; stable.</param>
/// <param name="Verdict">How it is.</param>
/// <param name="Found">What was found, with units.</param>
/// <param name="Remedy">What to change; empty when there is nothing to.</param>
internal sealed record Diagnosis(string Check, Verdict Verdict, string Found, string Remedy = "")
{
    /// <summary>One that is good, or else <paramref name="not"/>.</summary>
    internal static Diagnosis Of(
        string check, bool good, Verdict not, string found, string remedy) =>
        good ? new(check, Verdict.Good, found) : new(check, not, found, remedy);

    /// <summary>The documented form.</summary>
    internal JsonObject ToJson(string node) => new()
    {
        ["node"] = node,
        ["check"] = Check,
        ["verdict"] = Verdict.ToString().ToLowerInvariant(),
        ["found"] = Found,
        ["remedy"] = Remedy,
    };
}
