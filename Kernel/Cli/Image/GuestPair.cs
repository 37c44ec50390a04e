using System.Security.Cryptography;
using System.Text.Json;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>Makes the files of a pair of guests.</summary>
internal static class GuestPair
{
    private const UnixFileMode OwnerOnly =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>
    /// Makes the files, unless the pair is there already. What is left of a call that was ended
    /// before it had made all of them is made anew: no guest has run on it.
    /// </summary>
    internal static async Task<PairLayout> MakeAsync(
        string directory, GuestSettings guests, CancellationToken cancellation)
    {
        if (GuestSettings.Load(directory) is not null)
        {
            return PairLayout.At(directory);
        }

        Directory.CreateDirectory(directory, OwnerOnly);
        using FileStream alone = Alone(directory);
        if (GuestSettings.Load(directory) is not null)
        {
            return PairLayout.At(directory); // Made by another call just now.
        }

        RequireUnused(directory);
        foreach (string folder in (string[])["net", "witness", .. PairLayout.Names])
        {
            Directory.CreateDirectory(Path.Combine(directory, folder), OwnerOnly);
        }

        string pairId = $"{Guid.NewGuid()}";
        byte[] pairKey = RandomNumberGenerator.GetBytes(Limits.KeyBytesMin);
        byte[] manageKey = RandomNumberGenerator.GetBytes(Limits.KeyBytesMin);
        await WriteKeyAsync(Path.Combine(directory, "manage.key"), manageKey, cancellation);
        foreach (string name in PairLayout.Names)
        {
            string folder = Path.Combine(directory, name);
            string state = Path.Combine(folder, "state");
            if (Directory.Exists(state))
            {
                Directory.Delete(state, recursive: true); // All that is in it goes on the disk.
            }

            Directory.CreateDirectory(state, OwnerOnly);
            await WriteKeyAsync(Path.Combine(state, "pair.key"), pairKey, cancellation);
            await WriteKeyAsync(Path.Combine(state, "manage.key"), manageKey, cancellation);
            string config = GuestConfiguration.Of(name, pairId, guests).ToJsonString(Indented);
            await File.WriteAllTextAsync(
                Path.Combine(state, "config.json"), config + "\n", cancellation);
            await MakeDisksAsync(folder, guests, cancellation);
            Directory.Delete(state, recursive: true); // The key is on the node's disk alone now.
        }

        if (guests.Overlay is { } overlay)
        {
            await MakeInitrdAsync(directory, guests, overlay, cancellation);
        }

        guests.Save(directory);
        return PairLayout.At(directory);
    }

    private static FileStream Alone(string directory)
    {
        string file = Path.Combine(directory, "making.lock");
        try
        {
            return new FileStream(
                file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException taken)
        {
            throw new RefusedException(
                new Refusal(
                    $"the pair in {directory}", "one command at a time that makes it",
                    taken.Message, "wait for the other one; then this one takes what it has made"),
                taken);
        }
    }

    // What a guest was started with is its data.
    private static void RequireUnused(string directory)
    {
        string[] consoles =
        [
            .. PairLayout.Names.Select(name => Path.Combine(directory, name, "console.log"))
                .Where(File.Exists),
        ];
        if (consoles.Length > 0)
        {
            throw new RefusedException(new Refusal(
                $"the pair in {directory}", "guests.json, for guests have run on it", "none",
                "put it back; or, when nothing of the pair is needed, stop its guests and remove "
                    + "the directory"));
        }
    }

    /// <summary>Has clients find a pair at another port of this machine from now on.</summary>
    /// <exception cref="RefusedException">A guest of it runs, and clients may, too.</exception>
    internal static async Task<PairLayout> AtPortAsync(
        PairLayout pair, int nbdPort, CancellationToken cancellation)
    {
        GuestSettings guests = pair.Guests!;
        if (guests.NbdPort == nbdPort)
        {
            return pair;
        }

        PairCommand.RequireStopped(pair, PairLayout.Names);
        await GuestProcess.EndForwarderAsync(pair, cancellation); // It would stay at the old one.
        (guests with { NbdPort = nbdPort }).Save(pair.Directory);
        return PairLayout.At(pair.Directory);
    }

    // The operating system's kernel unpacks one archive after the other.
    private static async Task MakeInitrdAsync(
        string directory, GuestSettings guests, string overlay, CancellationToken cancellation)
    {
        await using FileStream both = File.Create(Path.Combine(directory, "initrd"));
        foreach (string part in (string[])[Path.Combine(guests.ImageFolder, "initrd"), overlay])
        {
            await using FileStream one = File.OpenRead(part);
            await one.CopyToAsync(both, cancellation);

            // An archive begins at a multiple of 4 bytes; zeros between them are skipped.
            both.SetLength((both.Length + 3) / 4 * 4);
            both.Seek(0, SeekOrigin.End);
        }
    }

    private static async Task MakeDisksAsync(
        string folder, GuestSettings guests, CancellationToken cancellation)
    {
        long volumeMib = (guests.SizeBytes + Size.MiB - 1) / Size.MiB;
        await ScriptAsync(
            "disk", [Path.Combine(folder, "state.img"), Path.Combine(folder, "state")],
            cancellation);
        await ScriptAsync(
            "data-disk",
            [
                Path.Combine(folder, "data.img"),
                .. PairLayout.Names.Select((_, group) => $"vol{group}={volumeMib}"),
                .. guests.Spares.Select(name => $"{name}={volumeMib}"),
            ],
            cancellation);
        await using FileStream nvram = File.Create(Path.Combine(folder, "nvram.img"));
        nvram.SetLength((long)GuestSettings.NvramMib * Size.MiB);
    }

    private static async Task ScriptAsync(
        string script, IEnumerable<string> arguments, CancellationToken cancellation)
    {
        if (await ImageFiles.RunAsync(script, arguments, cancellation) != 0)
        {
            throw new RefusedException(new Refusal(
                $"image/{script}", "to succeed", "a failure", "see its words above"));
        }
    }

    private static async Task WriteKeyAsync(
        string path, byte[] key, CancellationToken cancellation)
    {
        File.Delete(path); // One that is there keeps its rights, whatever they are.
        FileStreamOptions options = new()
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        await using FileStream file = new(path, options);
        await file.WriteAsync(key, cancellation);
    }
}
