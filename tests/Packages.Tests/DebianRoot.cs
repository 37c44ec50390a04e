using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using StorageOs.Pair.Tests;

namespace StorageOs.Packages.Tests;

/// <summary>
/// A small Debian in a folder, with what the package depends on, systemd and nothing of .NET. Its
/// mounts are a namespace's, which ends with it; its network is this machine's.
/// </summary>
internal sealed class DebianRoot : IDisposable
{
    // The settings of the kernel are this machine's, so nobody may change them.
    private const string Hold = """
        set -e
        mount --rbind /dev "$0/dev"
        mount -t tmpfs tmpfs "$0/dev/shm"
        mount -t tmpfs tmpfs "$0/run"
        mount -t proc proc "$0/proc"
        mount --bind "$0/proc/sys" "$0/proc/sys"
        mount -o remount,bind,ro "$0/proc/sys"
        mkdir -p /run/systemd/system
        echo held
        exec sleep infinity
        """;

    private static readonly string[] Sudo = Environment.IsPrivilegedProcess ? [] : ["sudo", "-n"];
    private static readonly Lazy<string> Base = new(MakeBase);

    private readonly Process holder;

    internal DebianRoot()
    {
        Folder = Directory.CreateTempSubdirectory("debian-").FullName;
        Here("tar", "-xf", Base.Value, "-C", Folder, "--exclude=./dev/*");
        string[] hold = [.. Sudo, "unshare", "-m", "--propagation", "private", "sh", "-c", Hold];
        holder = Process.Start(new ProcessStartInfo(hold[0], [.. hold[1..], Folder])
        {
            RedirectStandardOutput = true,
        })!;
        Assert.Equal("held", holder.StandardOutput.ReadLine());

        // Before the real one in the path that dpkg looks along.
        Here("install", "-m", "755",
            Path.Combine(PairRun.Root, "tests/Packages.Tests/systemctl"),
            Path.Combine(Folder, "usr/local/bin/systemctl"));
        Must("mkdir", "-p", "/run/systemd/system");
    }

    /// <summary>Where it is on this machine.</summary>
    internal string Folder { get; }

    /// <summary>Runs a program in it.</summary>
    internal (int Code, string Said) Run(params string[] command)
    {
        string[] all = Enter(command);
        var (code, output, error) = PairRun.Run(all[0], all[1..]);
        return (code, output + error);
    }

    /// <summary>Runs a program in it that must succeed; what it says.</summary>
    internal string Must(params string[] command)
    {
        (int code, string said) = Run(command);
        Assert.True(code == 0, $"{string.Join(' ', command)}: {code}\n{said}");
        return said.Trim();
    }

    /// <summary>Starts a program in it that goes on.</summary>
    internal void Leave(string log, params string[] command) => Must([
        "sh", "-c", "log=$1; shift; setsid \"$@\" >\"$log\" 2>&1 </dev/null &", "sh", log,
        .. command]);

    /// <summary>Puts a file of this machine into it.</summary>
    internal void Put(string file, string path) => Here("cp", file, Folder + path);

    /// <summary>Writes a file of it, for one user.</summary>
    internal void Write(string path, string text, string owner, string mode)
    {
        string file = Path.GetTempFileName();
        File.WriteAllText(file, text);
        Put(file, path);
        File.Delete(file);
        Must("chown", owner, path);
        Must("chmod", mode, path);
    }

    public void Dispose()
    {
        // Whatever has this as its root was started by a test.
        Here("sh", "-c", """
            for process in /proc/[0-9]*; do
              [ "$(readlink "$process/root")" != "$0" ] || kill -KILL "${process#/proc/}"
            done
            """, Folder);
        if (Sudo.Length > 0)
        {
            Here("pkill", "-P", $"{holder.Id}");
        }
        else
        {
            holder.Kill();
        }

        holder.WaitForExit();
        holder.Dispose();
        Here("rm", "-rf", "--one-file-system", Folder);
    }

    private string[] Enter(string[] command)
    {
        string inside = Sudo.Length == 0 ? $"{holder.Id}"
            : PairRun.Run("pgrep", "-P", $"{holder.Id}").Out.Trim();
        return [.. Sudo, "nsenter", "-m", "-t", inside, "chroot", Folder, "env", "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND=noninteractive", .. command];
    }

    /// <summary>Asked for once for each list of what the package depends on.</summary>
    private static string MakeBase()
    {
        string depends = PairRun.Run("dpkg-deb", "-f", Built.First.Package, "Depends").Out;
        string list = string.Join(',', depends.Split(',', StringSplitOptions.TrimEntries)
            .Select(static one => one.Split(' ')[0]).Append("systemd"));
        string folder = Path.Combine(PairRun.Root, "artifacts/package/test");
        Directory.CreateDirectory(folder);
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(list));
        string tar = Path.Combine(folder, $"base-{Convert.ToHexStringLower(hash)[..16]}.tar");
        if (!File.Exists(tar))
        {
            var (code, output, error) = PairRun.Run(
                TimeSpan.FromMinutes(10), "mmdebstrap", "--quiet", "--variant=essential",
                $"--include={list}", "bookworm", tar + ".new.tar");
            Assert.True(code == 0, output + error);
            File.Move(tar + ".new.tar", tar);
        }

        return tar;
    }

    private static void Here(params string[] command)
    {
        string[] all = [.. Sudo, .. command];
        var (code, output, error) = PairRun.Run(all[0], all[1..]);
        Assert.True(code == 0, $"{string.Join(' ', command)}: {code}\n{output}{error}");
    }
}
