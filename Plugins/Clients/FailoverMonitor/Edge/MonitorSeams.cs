using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>What the monitor takes from the machine; a simulation gives its own.</summary>
/// <param name="OpenFile">Opens a small file, or makes it.</param>
/// <param name="NewId">Makes an id that nobody else makes.</param>
/// <param name="OpenLocked">
/// Opens a file, or makes it, that nobody else writes until its process is gone.
/// </param>
/// <param name="ReadDead">
/// Reads a group's record of a partner whose process has ended, as
/// <see cref="RecordFile.ReadDead"/> does; not on the reactor, for it may be on a network.
/// </param>
internal sealed record MonitorSeams(
    Func<string, IStableFile> OpenFile, Func<Guid> NewId, Func<string, IStableFile> OpenLocked,
    Func<string, GroupId, Task<(WitnessReading Reading, bool Runs)>> ReadDead)
{
    /// <summary>The machine's.</summary>
    public static MonitorSeams Machine { get; } = new(
        StableFile.Open, Guid.NewGuid, LockedFile.Open,
        static (path, group) => Task.Run(() => RecordFile.ReadDead(path, group)));
}
