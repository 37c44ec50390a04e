using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>What something that was found about a plugin makes of it.</summary>
internal enum FindingKind
{
    /// <summary>It is loaded all the same.</summary>
    Warning,

    /// <summary>Its manifest, bundle or code is wrong.</summary>
    Wrong,

    /// <summary>It was made for another version of Contracts.</summary>
    NotSupported,

    /// <summary>Its files are not those that its manifest lists, or that were signed.</summary>
    Modified,

    /// <summary>It is to be signed by somebody who is trusted, and is not.</summary>
    Unsigned,

    /// <summary>It failed too often.</summary>
    Malfunctioned,

    /// <summary>An operator does not want it.</summary>
    Disabled,
}

/// <summary>One thing that was found about a plugin before any code of it was loaded.</summary>
/// <param name="Kind">What it makes of the plugin.</param>
/// <param name="Refusal">What was expected and what was found.</param>
internal sealed record Finding(FindingKind Kind, Refusal Refusal)
{
    /// <summary>Whether the plugin is not loaded because of it.</summary>
    internal bool IsError => Kind != FindingKind.Warning;
}
