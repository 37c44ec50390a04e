using System.Diagnostics;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Cli.Packages;

/// <summary>
/// A built system in a folder: what a tarball holds, what a package installs, what a build leaves
/// in <c>artifacts</c>.
/// </summary>
/// <param name="Folder">Full path of the folder that has <c>kernel</c> and <c>plugins</c>.</param>
internal sealed record Release(string Folder)
{
    private const string Name = "StorageOs.Kernel";
    private const int CommitChars = 8;

    /// <summary>What this program is a part of.</summary>
    internal static Release Own { get; } = new(NodeConfiguration.SystemFolder);

    /// <summary>The program that boots a node.</summary>
    internal string Kernel => Path.Combine(Folder, "kernel", Name);

    /// <summary>
    /// What to run: where the frameworks are carried along, what finds them there.
    /// </summary>
    internal string Program =>
        Path.Combine(Folder, "bin", "storageos") is var launcher && File.Exists(launcher)
            ? launcher : Kernel;

    /// <summary>Folder of its plugins.</summary>
    internal string Plugins => Path.Combine(Folder, "plugins");

    /// <summary>Its version, for people.</summary>
    internal string Version
    {
        get
        {
            string named = Path.Combine(Folder, "VERSION");
            return File.Exists(named) ? File.ReadAllText(named).Trim()
                : Short(FileVersionInfo.GetVersionInfo(Kernel + ".dll").ProductVersion ?? "");
        }
    }

    // What follows the plus is a commit.
    private static string Short(string version)
    {
        int end = version.IndexOf('+', StringComparison.Ordinal) + 1 + CommitChars;
        return end > CommitChars && end < version.Length ? version[..end] : version;
    }

    /// <summary>The one in a folder.</summary>
    /// <exception cref="RefusedException">There is none.</exception>
    internal static Release At(string folder)
    {
        Release release = new(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        return File.Exists(release.Kernel) && Directory.Exists(release.Plugins)
            ? release
            : throw new RefusedException(new Refusal(
                $"release {release.Folder}", $"a folder with kernel/{Name} and plugins",
                Directory.Exists(release.Folder) ? "another folder" : "nothing",
                "give what storageos package has made, or the folder of a build"));
    }

    /// <summary>What a process runs.</summary>
    /// <exception cref="RefusedException">It has ended, or is nothing of ours.</exception>
    internal static Release OfProcess(int pid)
    {
        string? program = new FileInfo($"/proc/{pid}/exe").LinkTarget;
        return Path.GetFileName(program) == Name
            ? new Release(Path.GetFullPath(Path.Combine(program!, "..", "..")))
            : throw new RefusedException(new Refusal(
                $"process {pid}", $"one of {Name}", program ?? "none that can be looked at",
                "run this as the user that the node runs as"));
    }

    /// <summary>
    /// Unpacks a tarball below a folder, once; what is there under its name is whole.
    /// </summary>
    internal static async Task<Release> UnpackAsync(
        string tarball, string into, CancellationToken cancellation)
    {
        string name = Path.GetFileName(tarball);
        name = name[..name.IndexOf(".tar", StringComparison.Ordinal)];
        string whole = Path.Combine(into, name);
        string part = whole + ".part";
        if (Directory.Exists(part))
        {
            Directory.Delete(part, recursive: true);
        }

        Directory.CreateDirectory(part);
        using Process tar = Process.Start(new ProcessStartInfo(
            "tar", ["-xf", tarball, "-C", part, "--strip-components=1", "--no-same-owner"])
        {
            RedirectStandardError = true,
        })!;
        string said = await tar.StandardError.ReadToEndAsync(cancellation);
        await tar.WaitForExitAsync(cancellation);
        if (tar.ExitCode != 0)
        {
            throw new RefusedException(new Refusal(
                $"tarball {tarball}", "one that can be unpacked", said.Trim()));
        }

        _ = At(part);
        return At(Keep(part, whole));
    }

    /// <summary>
    /// Gives what was unpacked its name. A node may run what has it already, which stays if it is
    /// the same and is in nobody's way if it is not.
    /// </summary>
    private static string Keep(string part, string whole)
    {
        for (int count = 1; ; count++)
        {
            string place = count == 1 ? whole : $"{whole}.{count}";
            if (!Directory.Exists(place))
            {
                Directory.Move(part, place);
                return place;
            }

            if (Build(place) is { } build && build == Build(part))
            {
                Directory.Delete(part, recursive: true);
                return place;
            }
        }
    }

    private static string? Build(string folder) =>
        Path.Combine(folder, "BUILD") is var file && File.Exists(file)
            ? File.ReadAllText(file) : null;
}
