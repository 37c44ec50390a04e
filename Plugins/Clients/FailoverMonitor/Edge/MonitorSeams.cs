using StorageOs.Contracts.Runtime;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>What the monitor takes from the machine; a simulation gives its own.</summary>
/// <param name="OpenFile">Opens a small file, or makes it.</param>
/// <param name="NewId">Makes an id that nobody else makes.</param>
internal sealed record MonitorSeams(Func<string, IStableFile> OpenFile, Func<Guid> NewId)
{
    /// <summary>The machine's.</summary>
    public static MonitorSeams Machine { get; } = new(StableFile.Open, Guid.NewGuid);
}
