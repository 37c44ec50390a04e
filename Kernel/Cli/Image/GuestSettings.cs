using System.Text.Json;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>What a pair of guests was made with; kept beside it.</summary>
/// <param name="ImageFolder">Full path of what <c>image build</c> made.</param>
/// <param name="Accelerator">kvm or tcg, QEMU's names.</param>
/// <param name="Transport">Id of the transport.</param>
/// <param name="SizeBytes">Size of each volume.</param>
/// <param name="NbdPort">This machine's TCP port of vol0's service address; vol1 has the next.
/// </param>
/// <param name="ManagementPort">This machine's TCP port of a's management; b has the next.</param>
internal sealed record GuestSettings(
    string ImageFolder,
    string Accelerator,
    string Transport,
    long SizeBytes,
    int NbdPort,
    int ManagementPort)
{
    /// <summary>
    /// Full path of a further initramfs whose files replace the image's, for tests; null for none.
    /// </summary>
    public string? Overlay { get; init; }

    /// <summary>
    /// Processors of a guest: one for each of two guests on a machine with two; emulated ones cost
    /// more than they bring.
    /// </summary>
    public int Processors { get; init; } = 1;

    /// <summary>
    /// Further partitions of the disk of the volumes, as large as one, each named as a volume's is.
    /// </summary>
    public IReadOnlyList<string> Spares { get; init; } = [];

    /// <summary>Plugin folders within the guests; null for those of the image.</summary>
    public IReadOnlyList<string>? PluginFolders { get; init; }

    /// <summary>Memory of a guest.</summary>
    public const int MemoryMib = 1024;

    /// <summary>NVRAM of a guest: a log for each group.</summary>
    public const int NvramMib = 256;

    private static readonly JsonSerializerOptions Whole = new()
    {
        WriteIndented = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>File name within the pair's directory; says that its nodes are guests.</summary>
    private const string FileName = "guests.json";

    /// <summary>The settings of a pair; null when its nodes are processes.</summary>
    /// <exception cref="RefusedException">
    /// They cannot be read. What is beside them may be a pair with all its data, so that it is
    /// neither used nor made anew.
    /// </exception>
    internal static GuestSettings? Load(string directory)
    {
        string path = Path.Combine(directory, FileName);
        if (!File.Exists(path))
        {
            return null;
        }

        string found = "null";
        try
        {
            if (JsonSerializer.Deserialize<GuestSettings>(File.ReadAllText(path), Whole)
                is { } settings)
            {
                return settings;
            }
        }
        catch (JsonException wrong)
        {
            found = wrong.Message;
        }

        throw new RefusedException(new Refusal(
            path, "the settings of a pair of guests", found,
            "correct it, or remove it to have image pair make the pair anew, without its data"));
    }

    /// <summary>
    /// Keeps the settings. That they are there says that the pair is whole: nothing of it is made
    /// after them.
    /// </summary>
    internal void Save(string directory) => WholeFile.Write(
        Path.Combine(directory, FileName), JsonSerializer.Serialize(this, Whole) + "\n");
}
