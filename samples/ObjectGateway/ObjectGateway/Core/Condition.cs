namespace Sample.ObjectGateway.Core;

/// <summary>
/// What a client wants an object to be when it is changed. Decided when the change has its turn,
/// so of two that want the same, one gets it. Pure.
/// </summary>
/// <param name="Match">One of these tags, or "*": there must be one. Null: whatever.</param>
/// <param name="NoneMatch">None of these tags, or "*": there must be none. Null: whatever.</param>
internal sealed record Condition(
    IReadOnlyCollection<string>? Match, IReadOnlyCollection<string>? NoneMatch)
{
    /// <summary>Whether the object, null when there is none, is as it should be.</summary>
    public bool Allows(Entry? entry) =>
        (Match is null || Names(Match, entry)) && (NoneMatch is null || !Names(NoneMatch, entry));

    /// <summary>Whether tags name an object.</summary>
    public static bool Names(IReadOnlyCollection<string> tags, Entry? entry) =>
        entry is not null && (tags.Contains("*") || tags.Contains(entry.ETag));
}
