using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>A guest, or the forwarder beside both, as a QEMU process of its own.</summary>
internal static class GuestProcess
{
    private const string Qemu = "qemu-system-x86_64";

    // QEMU 7.2's emulation of SMAP ends a program in a kernel oops when it handles a fault of its
    // own, as .NET does for a null reference. With ERMS the operating system's kernel copies by
    // "rep movsb", which is emulated byte by byte: soft RoCE would tear the 8-byte words that
    // nodes tell each other everything by (seen in 19 of 25 runs of the suite's case).
    private const string EmulatedProcessor = "max,smap=off,smep=off,erms=off,fsrm=off";

    // QEMU 7.2 translates a page anew for each address that a program is loaded at, and unlinks a
    // translation by walking the list of all that the page has. Addresses of random choice made the
    // lists so long that a boot took twice the time (87 s in place of 42 s), and the copying of the
    // kernel at a reset minutes (227 s in place of 5 s to 12 s).
    private const string EmulatedCommandLine = " norandmaps";

    private static readonly TimeSpan ForwarderTimeMax = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan EndTimeMax = TimeSpan.FromSeconds(5);

    /// <summary>Starts a guest, and the forwarder unless it runs.</summary>
    internal static async Task<int> StartAsync(
        PairLayout pair, string name, CancellationToken cancellation)
    {
        GuestSettings guests = pair.Guests!;
        GuestNetwork network = new(pair.Directory);
        await StartForwarderAsync(pair, network, cancellation);
        string folder = Path.Combine(pair.Directory, name);
        IEnumerable<string> arguments =
        [
            .. Machine(pair, folder),
            .. guests.Overlay is null ? [] : Shell(folder),
            .. Storage(pair, folder),
            .. network.Devices(name, PairLayout.Other(name)),
        ];
        return await RunAsync(PidFile(pair, name), arguments, cancellation);
    }

    /// <summary>Process id of a guest that runs; null when none does.</summary>
    internal static int? Find(PairLayout pair, string name) => Pid(PidFile(pair, name));

    /// <summary>Ends the forwarder.</summary>
    internal static void EndForwarder(PairLayout pair)
    {
        foreach (string file in new[] { HubFile(pair), ForwarderFile(pair) })
        {
            if (Pid(file) is { } pid)
            {
                NodeProcess.Kill(pid);
            }
        }
    }

    /// <summary>Ends the forwarder and waits until its ports are free.</summary>
    internal static async Task EndForwarderAsync(
        PairLayout pair, CancellationToken cancellation)
    {
        int?[] running = [Pid(HubFile(pair)), Pid(ForwarderFile(pair))];
        EndForwarder(pair);
        foreach (int pid in running.OfType<int>())
        {
            _ = await NodeProcess.HasEndedAsync(pid, EndTimeMax, cancellation);
        }
    }

    /// <summary>Tells whoever started this process that it forwards.</summary>
    internal static void SayForwards(PairLayout pair) =>
        WholeFile.Write(ForwarderFile(pair), $"{Environment.ProcessId}\n");

    /// <summary>
    /// Starts our part of the forwarder, and waits until it forwards: a port that leads nowhere, or
    /// to another pair that has it, must not be taken for this pair's.
    /// </summary>
    /// <param name="pair">The pair.</param>
    /// <param name="exports">This machine's first port that leads to a service address.</param>
    /// <param name="cancellation">Set when nobody waits any more.</param>
    /// <exception cref="RefusedException">It ended instead, or does not begin in time.</exception>
    internal static async Task ForwardAsync(
        PairLayout pair, int exports, CancellationToken cancellation)
    {
        string log = Path.Combine(pair.Directory, "net", "forwarder.log");
        int before = File.Exists(log) ? File.ReadAllText(log).Length : 0;
        File.Delete(ForwarderFile(pair));
        int pid = await NodeProcess.DetachAsync(
            log, ["image", "forward", "--dir", pair.Directory, "--exports", $"{exports}"],
            cancellation);
        if (await ForwardsAsync(pair, pid, cancellation))
        {
            return;
        }

        bool ended = !NodeProcess.Runs(pid);
        NodeProcess.Kill(pid);
        await EndForwarderAsync(pair, cancellation); // The hub, too.
        string words = ended
            ? NodeProcess.LastWords(File.ReadAllText(log)[before..])
            : $"nothing within {ForwarderTimeMax.TotalSeconds} s";
        throw new RefusedException(new Refusal(
            $"forwarder of ports {pair.Guests!.NbdPort} and {pair.Guests.NbdPort + 1}",
            "to forward", words,
            $"choose other ports with image pair --nbd-port, or see {log}"));
    }

    /// <summary>Whether a forwarder comes to say that it forwards.</summary>
    private static async Task<bool> ForwardsAsync(
        PairLayout pair, int pid, CancellationToken cancellation)
    {
        long begin = Stopwatch.GetTimestamp();
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(20));
        while (NodeProcess.Runs(pid) && Stopwatch.GetElapsedTime(begin) < ForwarderTimeMax)
        {
            if (Pid(ForwarderFile(pair)) == pid)
            {
                return true;
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }

        return false;
    }

    /// <summary>
    /// Whether KVM runs guests here: its device may be there and a guest still stand still, so a
    /// guest that can only panic is asked to do so.
    /// </summary>
    internal static async Task<bool> HasKvmAsync(
        string kernel, CancellationToken cancellation)
    {
        if (!File.Exists("/dev/kvm"))
        {
            return false;
        }

        ProcessStartInfo start = new(Qemu)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach (string argument in (string[])[
            "-accel", "kvm", "-cpu", "host", "-m", "256", "-display", "none", "-no-reboot",
            "-kernel", kernel, "-append", "panic=-1"])
        {
            start.ArgumentList.Add(argument);
        }

        using Process probe = Process.Start(start)!;
        using CancellationTokenSource limit =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(TimeSpan.FromSeconds(5));
        try
        {
            await probe.WaitForExitAsync(limit.Token);
            return probe.ExitCode == 0;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            probe.Kill();
            return false;
        }
    }

    private static string PidFile(PairLayout pair, string name) =>
        Path.Combine(pair.Directory, name, "qemu.pid");

    private static string HubFile(PairLayout pair) =>
        Path.Combine(pair.Directory, "net", "hub.pid");

    private static string ForwarderFile(PairLayout pair) =>
        Path.Combine(pair.Directory, "net", "forwarder.pid");

    // Two processes: QEMU's TCP/IP on the guests' network, and ours before it.
    private static async Task StartForwarderAsync(
        PairLayout pair, GuestNetwork network, CancellationToken cancellation)
    {
        if (Pid(HubFile(pair)) is not null && Pid(ForwarderFile(pair)) is not null)
        {
            return;
        }

        await EndForwarderAsync(pair, cancellation);
        int exports = DrillCommand.FreePorts();
        _ = await RunAsync(HubFile(pair), network.Hub(pair.Guests!, exports), cancellation);
        await ForwardAsync(pair, exports, cancellation);
    }

    // Where tests reach a shell in the guest, when the overlay has one.
    private static IEnumerable<string> Shell(string folder) =>
    [
        "-device", "virtio-serial-pci,addr=0x12",
        "-chardev", $"socket,id=shell,path={Path.Combine(folder, "shell.sock")},server=on,wait=off",
        "-device", "virtserialport,chardev=shell,name=org.storageos.test",
    ];

    private static IEnumerable<string> Machine(PairLayout pair, string folder)
    {
        GuestSettings guests = pair.Guests!;
        string initrd = guests.Overlay is null
            ? Path.Combine(guests.ImageFolder, "initrd")
            : Path.Combine(pair.Directory, "initrd");
        bool emulated = guests.Accelerator != "kvm";
        string commandLine = File.ReadAllText(Path.Combine(guests.ImageFolder, "cmdline"))
            .Replace("console=tty0 ", "", StringComparison.Ordinal).Trim()
            + (emulated ? EmulatedCommandLine : "");
        return
        [
            "-machine", "q35,nvdimm=on,nvdimm-persistence=cpu", "-accel", guests.Accelerator,
            "-cpu", emulated ? EmulatedProcessor : "host",
            "-smp", $"{guests.Processors}",
            "-m", $"{GuestSettings.MemoryMib}M,slots=2,maxmem=4G", "-nodefaults",
            "-display", "none", "-serial", "chardev:console", "-chardev",
            $"file,id=console,append=on,path={Path.Combine(folder, "console.log")}",
            "-qmp", $"unix:{Path.Combine(folder, "qmp.sock")},server=on,wait=off",
            "-kernel", Path.Combine(guests.ImageFolder, "vmlinuz"),
            "-initrd", initrd,
            "-append", commandLine,
            "-device", "i6300esb", "-action", "watchdog=reset",
        ];
    }

    private static IEnumerable<string> Storage(PairLayout pair, string folder) =>
    [
        "-object", $"memory-backend-file,id=nvram,share=on,size={GuestSettings.NvramMib}M,"
            + $"mem-path={Path.Combine(folder, "nvram.img")}",
        "-device", "nvdimm,id=nvdimm0,memdev=nvram,label-size=128K",
        "-drive", $"file={Path.Combine(folder, "state.img")},format=raw,if=virtio",
        "-drive", $"file={Path.Combine(folder, "data.img")},format=raw,if=virtio,discard=unmap",
        "-virtfs", $"local,path={Path.Combine(pair.Directory, "witness")},mount_tag=witness,"
            + "security_model=none",
    ];

    // QEMU says that it is ready by going to the background, and why it is not by its words.
    private static async Task<int> RunAsync(
        string pidFile, IEnumerable<string> arguments, CancellationToken cancellation)
    {
        ProcessStartInfo start = new(
            Qemu, [.. arguments, "-daemonize", "-pidfile", pidFile])
        {
            RedirectStandardError = true,
        };
        try
        {
            using Process process = Process.Start(start)!;
            string words = await process.StandardError.ReadToEndAsync(cancellation);
            await process.WaitForExitAsync(cancellation);
            return Pid(pidFile)
                ?? throw new RefusedException(new Refusal(Qemu, "to start", words.Trim()));
        }
        catch (Win32Exception missing)
        {
            throw new RefusedException(
                new Refusal(Qemu, "to start", missing.Message, "install qemu-system-x86"), missing);
        }
    }

    // Another process may have the number by now. QEMU was given the file's path, the forwarder the
    // pair's folder, each as a word of its own.
    private static int? Pid(string file)
    {
        try
        {
            int pid = int.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture);
            string pair = Path.GetDirectoryName(Path.GetDirectoryName(file))!;
            bool runs = NodeProcess.Runs(pid)
                && File.ReadAllText($"/proc/{pid}/cmdline").Split('\0') is { } words
                && (words.Contains(file) || words.Contains(pair));
            return runs ? pid : null;
        }
        catch (Exception failure) when (failure is IOException or FormatException)
        {
            return null;
        }
    }
}
