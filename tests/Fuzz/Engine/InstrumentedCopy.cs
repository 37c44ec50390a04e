using System.Globalization;

namespace StorageOs.Fuzz;

/// <summary>
/// The copy of this program, and of the product with it, that tells what of the product runs. Made
/// beside the built one, and anew when that is newer.
/// </summary>
internal static class InstrumentedCopy
{
    private const string ProbesFile = "probes.txt";
    private const string WordsFile = "words.txt";

    // By assembly, the types that read something: of the kernel not its command line.
    private static readonly (string Assembly, string[] Types)[] Instrumented =
    [
        ("StorageOs.Kernel",
        [
            "StorageOs.Kernel.Ccm", "StorageOs.Kernel.Configuration", "StorageOs.Kernel.Hosting",
            "StorageOs.Kernel.Management",
        ]),
        ("StorageOs.FailoverMonitor", ["StorageOs."]),
        ("StorageOs.NbdExport", ["StorageOs."]),
        ("StorageOs.NvramMirror", ["StorageOs."]),
        ("StorageOs.Volumes", ["StorageOs."]),
        ("StorageOs.Transport.Loopback", ["StorageOs."]),
        ("StorageOs.Transport.Tcp", ["StorageOs."]),
        ("StorageOs.Transport.Verbs", ["StorageOs."]),
        ("StorageOs.Witness.Etcd", ["StorageOs.Witness.Etcd"]),
        ("StorageOs.Witness.File", ["StorageOs."]),
        ("StorageOs.Fuzz", ["StorageOs.Fuzz.Targets.PlantedParser"]),
    ];

    /// <summary>Whether this process runs from the copy.</summary>
    public static bool IsThis => File.Exists(Here(ProbesFile));

    /// <summary>Probes of the copy that this process runs from; none when it does not.</summary>
    public static int Probes => IsThis
        ? Instrumenter.ReadProbes(File.ReadAllText(Here(ProbesFile))) : 0;

    /// <summary>Constants of types whose names begin so.</summary>
    public static IReadOnlyList<byte[]> WordsOf(IReadOnlyList<string> types) => IsThis
        ? [.. Instrumenter.Read(File.ReadLines(Here(WordsFile)), types)
            .DistinctBy(Convert.ToHexString)]
        : [];

    /// <summary>Makes the copy if there is none of this build; the program in it.</summary>
    public static string Make()
    {
        string plain = AppContext.BaseDirectory.TrimEnd('/');
        string copy = Path.Combine(Path.GetDirectoryName(plain)!, "instrumented");
        using FileStream gate = Lock(copy + ".lock");
        DateTime built = Directory.EnumerateFiles(plain).Max(File.GetLastWriteTimeUtc);
        string probes = Path.Combine(copy, ProbesFile);
        if (!File.Exists(probes) || File.GetLastWriteTimeUtc(probes) < built)
        {
            MakeAnew(plain, copy);
        }

        return Path.Combine(copy, "StorageOs.Fuzz");
    }

    private static void MakeAnew(string plain, string copy)
    {
        if (Directory.Exists(copy))
        {
            Directory.Delete(copy, recursive: true);
        }

        foreach (string file in Directory.EnumerateFiles(plain, "*", SearchOption.AllDirectories))
        {
            string to = Path.Combine(copy, Path.GetRelativePath(plain, file));
            _ = Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }

        Instrumenter instrumenter = new();
        foreach ((string assembly, string[] types) in Instrumented)
        {
            // Symbols no longer fit what they are of.
            File.Delete(Path.Combine(copy, assembly + ".pdb"));
            instrumenter.Instrument(
                Path.Combine(copy, assembly + ".dll"),
                name => types.Any(type => name.StartsWith(type, StringComparison.Ordinal)));
        }

        File.WriteAllLines(Path.Combine(copy, WordsFile), instrumenter.Words);
        File.WriteAllText( // Last, for it says that all of the copy is there.
            Path.Combine(copy, ProbesFile),
            instrumenter.Probes.ToString(CultureInfo.InvariantCulture));
    }

    private static FileStream Lock(string path)
    {
        while (true)
        {
            try
            {
                return new FileStream(
                    path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                Thread.Sleep(100); // Another process holds it, and makes the copy.
            }
        }
    }

    private static string Here(string file) => Path.Combine(AppContext.BaseDirectory, file);
}
