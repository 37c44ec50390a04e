using System.Text.Json;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Remote;

/// <summary>Where the nodes of a pair on other machines are asked; kept in its directory.</summary>
/// <param name="A">Of node a, as <see cref="RemoteNode"/> reads it.</param>
/// <param name="B">Of node b.</param>
internal sealed record RemoteSettings(string A, string B)
{
    private const string FileName = "remote.json";

    private static readonly JsonSerializerOptions Whole = new()
    {
        WriteIndented = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>Of a pair's directory; null when its nodes are not on other machines.</summary>
    /// <exception cref="RefusedException">They cannot be read.</exception>
    internal static RemoteSettings? Load(string directory)
    {
        string file = Path.Combine(directory, FileName);
        if (!File.Exists(file))
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize<RemoteSettings>(File.ReadAllText(file), Whole)
                ?? throw new JsonException("null");
        }
        catch (JsonException failure)
        {
            throw new RefusedException(new Refusal(
                $"pair in {directory}", $"the addresses of its nodes in {FileName}",
                failure.Message, "storageos remote writes them anew"), failure);
        }
    }

    /// <summary>Writes them.</summary>
    internal void Save(string directory)
    {
        _ = Directory.CreateDirectory(directory);
        WholeFile.Write(
            Path.Combine(directory, FileName), JsonSerializer.Serialize(this, Whole) + "\n");
    }
}
