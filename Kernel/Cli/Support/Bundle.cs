using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace StorageOs.Kernel.Cli.Support;

/// <summary>
/// The file that is sent to whoever helps: a compressed archive of texts, each without secrets.
/// </summary>
internal sealed class Bundle(string name, Secrets secrets)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly SortedDictionary<string, string> texts = new(StringComparer.Ordinal);

    /// <summary>Names of what is in it.</summary>
    internal IReadOnlyCollection<string> Names => texts.Keys;

    /// <summary>Puts a text into it.</summary>
    internal void Add(string file, string text) => texts[file] = text;

    /// <summary>Puts the end of a file into it, whole lines.</summary>
    internal void AddEnd(string file, string path, int bytesMax)
    {
        // Its writer may go on: what is read is what is there now.
        using FileStream stream = new(
            path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        bool whole = stream.Length <= bytesMax;
        stream.Position = whole ? 0 : stream.Length - bytesMax;
        using StreamReader reader = new(stream);
        if (!whole)
        {
            _ = reader.ReadLine();
        }

        texts[file] = reader.ReadToEnd();
    }

    /// <summary>Writes it, for its owner alone to read.</summary>
    internal void Write(string path, DateTimeOffset now)
    {
        using FileStream file = new(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = OwnerOnly,
        });
        using GZipStream compressed = new(file, CompressionLevel.Optimal);
        using TarWriter archive = new(compressed, TarEntryFormat.Pax);
        foreach ((string entry, string text) in texts)
        {
            using MemoryStream data = new(Encoding.UTF8.GetBytes(secrets.Without(text)));
            archive.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"{name}/{entry}")
            {
                DataStream = data,
                Mode = OwnerOnly,
                ModificationTime = now,
            });
        }
    }
}
