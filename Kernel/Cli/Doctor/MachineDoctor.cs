using System.Globalization;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Doctor.Interop;

namespace StorageOs.Kernel.Cli.Doctor;

/// <summary>The machine and what it allows a node's process: limits, memory, clock.</summary>
internal static class MachineDoctor
{
    private const long MemoryMin = 512L * Size.MiB;
    private const long OpenFilesMin = 1024;
    private static readonly string[] SlowClocks = ["hpet", "acpi_pm", "jiffies", "refined-jiffies"];

    /// <summary>Looks at all of it.</summary>
    /// <param name="process">The node's process id, or <c>self</c> when it does not run.</param>
    internal static IEnumerable<Diagnosis> Examine(string process)
    {
        string who = process == "self" ? "this user" : $"process {process}";
        ProcessLimits limits = ProcessLimits.Of(process);
        yield return Diagnosis.Of(
            "priority", limits.MayBeRealTime, Verdict.Advice,
            $"{who} {(limits.MayBeRealTime ? "may" : "may not")} have a real-time priority",
            "LimitRTPRIO=99 in the unit, or CAP_SYS_NICE: else a busy machine stops the beat, and"
                + " the partner takes over");
        yield return Diagnosis.Of(
            "locked memory", limits.LockedBytes == long.MaxValue, Verdict.Advice,
            limits.LockedBytes == long.MaxValue
                ? $"{who} may lock all" : $"{who} may lock {limits.LockedBytes / Size.KiB} KiB",
            "LimitMEMLOCK=infinity in the unit: verbs lock the memory that the partner writes to");
        yield return Diagnosis.Of(
            "open files", limits.OpenFiles >= OpenFilesMin, Verdict.Advice,
            $"{who} may open {limits.OpenFiles}",
            $"LimitNOFILE={OpenFilesMin} or more in the unit");
        yield return Memory(File.ReadLines("/proc/meminfo"));
        yield return Swap(File.ReadLines("/proc/swaps"));
        yield return Clock(Adjtimex.IsSynchronized());
        yield return ClockSource(File.ReadAllText(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource").Trim());
    }

    /// <summary>The watchdog device of the configuration.</summary>
    internal static Diagnosis? Watchdog(string? device) => device is null ? null : Diagnosis.Of(
        "watchdog", File.Exists(device), Verdict.Bad,
        File.Exists(device) ? device : $"no {device}",
        "load the module of the machine's watchdog, or take machine:watchdog out");

    /// <summary>Of lines of <c>/proc/meminfo</c>.</summary>
    internal static Diagnosis Memory(IEnumerable<string> lines)
    {
        const string Available = "MemAvailable:";
        string line = lines.First(one => one.StartsWith(Available, StringComparison.Ordinal));
        long bytes = Size.KiB * long.Parse(
            line[Available.Length..].Replace("kB", "", StringComparison.Ordinal),
            CultureInfo.InvariantCulture);
        return Diagnosis.Of(
            "memory", bytes >= MemoryMin, Verdict.Advice, $"{bytes / Size.MiB} MiB available",
            $"leave {MemoryMin / Size.MiB} MiB or more: a node that swaps answers late");
    }

    /// <summary>Of lines of <c>/proc/swaps</c>.</summary>
    internal static Diagnosis Swap(IEnumerable<string> lines)
    {
        string[] places = [.. lines.Skip(1).Select(static line => line.Split(' ', '\t')[0])];
        return Diagnosis.Of(
            "swap", places.Length == 0, Verdict.Advice,
            places.Length == 0 ? "none" : $"on {string.Join(", ", places)}",
            "swapoff -a, or vm.swappiness=0: a page that is read back from a disk stops the beat");
    }

    private static Diagnosis Clock(bool synchronized) => Diagnosis.Of(
        "clock", synchronized, Verdict.Advice,
        synchronized ? "synchronized" : "not synchronized",
        "run an NTP client; nothing depends on it but how events of both nodes line up for people");

    private static Diagnosis ClockSource(string name)
    {
        return Diagnosis.Of(
            "clock source", !SlowClocks.Contains(name), Verdict.Advice, name,
            "see why the kernel took the tsc for unstable: each look at this clock takes a"
                + " microsecond, and a node looks often");
    }
}
