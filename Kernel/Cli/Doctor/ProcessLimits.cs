using System.Globalization;

namespace StorageOs.Kernel.Cli.Doctor;

/// <summary>What the system allows a process (proc(5), limits and status).</summary>
internal sealed class ProcessLimits
{
    private const int CAP_IPC_LOCK = 14;
    private const int CAP_SYS_NICE = 23;
    private const long Unlimited = long.MaxValue;
    private readonly Dictionary<string, long> soft = [];
    private readonly ulong capabilities;

    /// <param name="limits">Lines of <c>/proc/PID/limits</c>.</param>
    /// <param name="status">Lines of <c>/proc/PID/status</c>.</param>
    internal ProcessLimits(IEnumerable<string> limits, IEnumerable<string> status)
    {
        foreach (string line in limits.Skip(1))
        {
            // The name is a column of 26 letters.
            string value = line[26..].TrimStart().Split(' ')[0];
            soft[line[..26].TrimEnd()] = value == "unlimited"
                ? Unlimited : long.Parse(value, CultureInfo.InvariantCulture);
        }

        const string Effective = "CapEff:";
        capabilities = ulong.Parse(
            status.First(static line => line.StartsWith(Effective, StringComparison.Ordinal))
                [Effective.Length..].Trim(),
            NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    /// <summary>Of a process, such as <c>1234</c> or <c>self</c>.</summary>
    internal static ProcessLimits Of(string process) => new(
        File.ReadLines($"/proc/{process}/limits"), File.ReadLines($"/proc/{process}/status"));

    /// <summary>Whether it may have a real-time priority.</summary>
    internal bool MayBeRealTime => Has(CAP_SYS_NICE) || soft["Max realtime priority"] > 0;

    /// <summary>Bytes of memory that it may lock; <see cref="long.MaxValue"/> for all.</summary>
    internal long LockedBytes => Has(CAP_IPC_LOCK) ? Unlimited : soft["Max locked memory"];

    /// <summary>Files that it may have open.</summary>
    internal long OpenFiles => soft["Max open files"];

    private bool Has(int capability) => (capabilities & (1UL << capability)) != 0;
}
