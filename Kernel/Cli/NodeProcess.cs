using System.Diagnostics;
using System.Globalization;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Image;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli;

/// <summary>A node of a pair as a process of its own, detached from this terminal.</summary>
internal static class NodeProcess
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(10);

    // The shell gives the node a session of its own and its log file, and tells its process id.
    private const string Script =
        "log=$1; shift; setsid \"$@\" >>\"$log\" 2>&1 </dev/null & echo $!";

    /// <summary>Starts a node; it goes on when this process ends.</summary>
    internal static async Task<int> StartAsync(
        PairLayout pair, string name, CancellationToken cancellation)
    {
        RequireHere(pair);
        if (pair.Guests is not null)
        {
            return await GuestProcess.StartAsync(pair, name, cancellation);
        }

        return await DetachAsync(
            pair.ReleaseOf(name).Program, pair.Log(name),
            ["boot", "--config", pair.Config(name)], cancellation);
    }

    /// <summary>
    /// Starts this program anew in the folder of its log; it goes on when this process ends.
    /// </summary>
    /// <returns>Its process id.</returns>
    internal static Task<int> DetachAsync(
        string log, IEnumerable<string> command, CancellationToken cancellation)
    {
        // In another program that has the kernel for a part, it is beside that.
        string program = Packages.Release.Own.Program;
        return DetachAsync(
            File.Exists(program)
                ? program : Path.Combine(AppContext.BaseDirectory, Path.GetFileName(program)),
            log, command, cancellation);
    }

    private static async Task<int> DetachAsync(
        string self, string log, IEnumerable<string> command, CancellationToken cancellation)
    {
        ProcessStartInfo start = new("/bin/sh")
        {
            RedirectStandardOutput = true,
            WorkingDirectory = Path.GetDirectoryName(log),
        };
        foreach (string argument in (string[])["-c", Script, "sh", log, self, .. command])
        {
            start.ArgumentList.Add(argument);
        }

        using Process shell = Process.Start(start)!;
        string output = await shell.StandardOutput.ReadToEndAsync(cancellation);
        await shell.WaitForExitAsync(cancellation);
        return int.TryParse(output, CultureInfo.InvariantCulture, out int pid)
            ? pid
            : throw new RefusedException(new Refusal(
                self, "a process of its own", $"no process id from the shell: {output}"));
    }

    /// <summary>Process id of a node that runs; null when none does.</summary>
    internal static int? Find(PairLayout pair, string name)
    {
        RequireHere(pair);
        return pair.Guests is null
            ? DataLock.Holder(pair.Lock(name)) : GuestProcess.Find(pair, name);
    }

    private static void RequireHere(PairLayout pair)
    {
        if (pair.Remote is not null)
        {
            throw new RefusedException(new Refusal(
                $"pair in {pair.Directory}", "nodes on this machine", "nodes on other machines",
                "start and stop each on its own machine: systemctl start storageos"));
        }
    }

    /// <summary>Waits until a process has ended.</summary>
    /// <returns>Whether it has, within the limit.</returns>
    internal static async Task<bool> HasEndedAsync(
        int pid, TimeSpan limit, CancellationToken cancellation)
    {
        long begin = Stopwatch.GetTimestamp();
        using PeriodicTimer timer = new(LookAgain);
        while (Runs(pid))
        {
            if (Stopwatch.GetElapsedTime(begin) > limit)
            {
                return false;
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }

        return true;
    }

    /// <summary>
    /// Whether a process runs. One that has ended counts as ended at once, although its entry stays
    /// until it is reaped, which where init is slow takes seconds; but not before its last thread
    /// has ended, for until then it holds its files and locks.
    /// </summary>
    internal static bool Runs(int pid)
    {
        try
        {
            // The state follows the name in parentheses, which may hold anything.
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            int threads = int.Parse(fields[17], CultureInfo.InvariantCulture);
            return fields[0] is not ("Z" or "X") || threads > 1;
        }
        catch (IOException)
        {
            return false; // No such process, or it ended while it was looked at.
        }
    }

    /// <summary>
    /// Waits until every thread of a process stands still: a stop signal is sent at once and
    /// reaches each thread when it next comes out of the system.
    /// </summary>
    internal static async Task HasStoppedAsync(int pid, CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(1));
        while (!Directory.EnumerateDirectories($"/proc/{pid}/task").All(IsStopped))
        {
            _ = await timer.WaitForNextTickAsync(cancellation);
        }

        // The state follows the name, which stands in parentheses (proc_pid_stat(5)).
        static bool IsStopped(string thread)
        {
            string stat = File.ReadAllText(Path.Combine(thread, "stat"));
            return stat[stat.LastIndexOf(')') + 2] == 'T';
        }
    }

    /// <summary>Ends a process at once.</summary>
    internal static void Kill(int pid)
    {
        try
        {
            using Process process = Process.GetProcessById(pid);
            process.Kill();
        }
        catch (ArgumentException)
        {
            return; // It has ended by itself meanwhile, as it was to.
        }
    }

    /// <summary>Last lines of a node's log that say what went wrong.</summary>
    internal static string LastWords(PairLayout pair, string name)
    {
        string log = pair.Log(name);
        return LastWords(File.Exists(log) ? File.ReadAllText(log) : "");
    }

    /// <summary>The last line of what a process said that says what went wrong.</summary>
    internal static string LastWords(string said)
    {
        string[] lines = said.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return lines.LastOrDefault(line => line.StartsWith("storageos: ", StringComparison.Ordinal))
            ?? lines.LastOrDefault() ?? "nothing";
    }
}
