namespace StorageOs.Plugin.Sdk;

/// <summary>Something about a manifest that a host would refuse.</summary>
/// <param name="Key">The key; empty when it is the whole.</param>
/// <param name="Expected">What would be right.</param>
/// <param name="Found">What is there.</param>
/// <param name="Line">The line it is on, from 1; 0 when it is on none.</param>
internal sealed record Finding(string Key, string Expected, string Found, int Line = 0)
{
    /// <inheritdoc/>
    public override string ToString() =>
        (Key.Length == 0 ? "" : $"key {Key}: ") + $"expected {Expected}, found {Found}";
}
