using System.Text;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Management;

namespace StorageOs.Fuzz.Targets;

/// <summary>A folder with what manifests and configurations name.</summary>
internal static class TextFolder
{
    /// <summary>Its path.</summary>
    public static string Path { get; } = Make();

    private static string Make()
    {
        string folder = System.IO.Path.Combine(
            System.IO.Path.GetTempPath(), $"storageos-fuzz-{Environment.ProcessId}");
        _ = Directory.CreateDirectory(folder);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        File.WriteAllBytes(In("plugin.dll"), []);
        File.WriteAllBytes(In("pair.key"), new byte[32]);
        File.SetUnixFileMode(In("pair.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return folder;

        string In(string name) => System.IO.Path.Combine(folder, name);
    }
}

/// <summary>A plugin's manifest.</summary>
internal sealed class ManifestTarget : Target
{
    /// <inheritdoc/>
    public override string Name => "manifest";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types =>
    [
        "StorageOs.Kernel.Hosting.ManifestReader", "StorageOs.Kernel.Hosting.PluginPath",
        "StorageOs.Kernel.Hosting.Schema",
    ];

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 128_000 + (512L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() =>
    [
        """
        {"id":"a-b.c","version":"1","kind":"client","assembly":"plugin.dll","type":"T",
        "description":"d","contracts":{"min":"0.1","max":"0.9"},"reactor":"storage",
        "provides":["IVolumes"],"requires":["IMirroredLogs"],"uses":["IWitness"]}
        """u8.ToArray(),
        """
        {"id":"t","version":"1","kind":"transport","assembly":"plugin.dll","type":"T",
        "contracts":{"min":"0.0.1","max":"9.9"},"reactor":"kernel"}
        """u8.ToArray(),
        """
        {"id":"u","version":"\ud83d\ude00","kind":"witness","assembly":"plugin.dll","type":"T",
        "contracts":{"min":"0.1","max":"0.1"},"uses":["IWitness`1[[IVolumes, X]]*&","I\\+"]}
        """u8.ToArray(),
        """
        {"id":"v.n","version":"1","kind":"client","assembly":"plugin.dll","type":"T",
        "contracts":{"min":"0.1","max":"0.1"},"maturity":"stable","restart":true,
        "limits":{"memory":"64M","ports":2},"files":{"a/b.so":
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}
        """u8.ToArray(),
        """
        {"settings":{"type":"object","required":["a"],"additionalProperties":false,"properties":{
        "a":{"type":"integer","minimum":-1,"maximum":3.5,"default":2,"enum":[1,2,"3",true]},
        "b":{"type":"array","items":{"type":"boolean"},"description":"d"}}}}
        """u8.ToArray(),
    ];

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        IReadOnlyList<Kernel.Hosting.Finding> findings = ManifestReader.Read(
            input.ToArray(), TextFolder.Path, out PluginManifest? manifest);
        Promise.Require(
            manifest is null == findings.Count > 0, "what is refused is told why");
        Promise.Require(
            findings.All(static finding => finding.IsError), "nothing that may pass is refused");
        Promise.Require(
            manifest?.Files is not { } files || files.Keys.All(path => Path.GetFullPath(
                path, TextFolder.Path).StartsWith(TextFolder.Path + "/")),
            "a plugin's files lie in its folder");
        Promise.Require(
            manifest is null || manifest.Assembly == Path.Combine(TextFolder.Path, "plugin.dll"),
            "a plugin's assembly lies in its folder");
    }
}

/// <summary>A node's configuration.</summary>
internal sealed class ConfigurationTarget : Target
{
    /// <inheritdoc/>
    public override string Name => "configuration";

    /// <inheritdoc/>
    public override int BytesMax => 2048;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.Kernel.Configuration"];

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 1_000_000 + (16_384L * bytes);

    /// <inheritdoc/>
    public override long StepsMax(int bytes) => 1_000_000 + (100_000L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() =>
    [
        """
        {"node":{"name":"a","systemId":"a","dataDirectory":"data","nvramDirectory":"nvram",
        "persistence":"process","beatMs":2},
        "partner":{"name":"b","systemId":"b","address":"fc:1","port":2,
        "memoryAddress":"5000000000"},
        "transport":{"name":"loopback","address":"fc:2","port":1,"memoryAddress":"4000000000",
        "options":{"fabric":"/f","tcp.tls":"on"}},
        "pair":{"id":"6f8d8a04-52b7-4a5c-9d0a-1f2e3d4c5b6a","keyFile":"pair.key"},
        "management":{"socket":"m.sock","address":"127.0.0.1:7800","keyFile":"pair.key"},
        "plugins":{"directories":["p"],"clients":["x","y"],"settings":{"x":{"k":"v"}},
        "waitFor":["/dev/null"],"waitForPartnerMs":5},"machine":{"anything":1}}
        """u8.ToArray(),
        """
        {"node":{"name":"\u0001\ud83d\ude00","systemId":["a"],"persistence":"x","beatMs":101},
        "node:dataDirectory":"a","management":{"address":"none"},"plugins":{"clients":["x","x"]},
        "transport":{"port":-1,"memoryAddress":"0x1001"},"nodes":{},"pair":{"id":"0"}}
        """u8.ToArray(),
        "{}"u8.ToArray(),
    ];

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        using MemoryStream text = new(input.ToArray());
        IReadOnlyList<Refusal> refusals = NodeConfiguration.Parse(
            text, Path.Combine(TextFolder.Path, "node.json"), [], out NodeSettings? settings);
        Promise.Require(
            settings is null == refusals.Count > 0, "what is refused is told why");
        Promise.Require(
            refusals.All(refusal => refusal.Subject.Length > 0 && refusal.Expected.Length > 0),
            "a refusal says of what, and what was expected");
        Promise.Require(
            settings is null || (settings.Node.SystemId != settings.Partner.SystemId
                && settings.Pair.Key.Length >= StorageOs.Kernel.Limits.KeyBytesMin),
            "settings that are taken fit together");
    }
}

/// <summary>
/// A connection to the management socket: lines, and requests in them. The first byte says how the
/// stream is cut.
/// </summary>
internal sealed class ManagementTarget : Target
{
    private const int LineBytesMax = 100;

    /// <inheritdoc/>
    public override string Name => "management";

    /// <inheritdoc/>
    public override int BytesMax => 256;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.Kernel.Management"];

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 64_000 + (4_096L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() =>
    [
        [0, .. "{\"command\":\"status\"}\n{\"command\":\"x\",\"arguments\":{\"a\":[1]}}\n"u8],
        [5, .. "{\"command\":5}\nrubbish\n\n[1]\n{\"command\":\"stop\",\"arguments\":3}\n"u8],
        [9, .. new byte[LineBytesMax], .. "\n{}\n"u8],
    ];

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length == 0)
        {
            return;
        }

        byte[] stream = input[1..].ToArray();
        LineReader lines = new(new PiecesStream(stream, Math.Max(1, (int)input[0])), LineBytesMax);
        ReadOnlySpan<byte> left = stream;
        while (Next(lines, out ReadOnlyMemory<byte>? line))
        {
            if (line is null)
            {
                Promise.Require(!left.Contains((byte)'\n'), "every whole line is read");
                return;
            }

            Promise.Require(
                left.Length > line.Value.Length && left.StartsWith(line.Value.Span)
                    && left[line.Value.Length] == (byte)'\n',
                "a line is read as it was sent");
            left = left[(line.Value.Length + 1)..];
            Take(line.Value);
        }

        int end = left.IndexOf((byte)'\n');
        Promise.Require(
            end < 0 ? left.Length >= LineBytesMax : end >= LineBytesMax,
            "only a line over the limit is refused");
    }

    private static bool Next(LineReader lines, out ReadOnlyMemory<byte>? line)
    {
        try
        {
            Task<ReadOnlyMemory<byte>?> reading = lines.ReadAsync(default);
            Promise.Require(reading.IsCompleted, "what has arrived is not waited for");
            line = reading.GetAwaiter().GetResult();
            return true;
        }
        catch (RefusedException)
        {
            line = null;
            return false;
        }
    }

    private static void Take(ReadOnlyMemory<byte> line)
    {
        try
        {
            (string name, JsonObject arguments) = ManagementCommands.Read(
                ManagementServer.Parse(line));
            Promise.Require(
                name is not null && arguments is not null, "a request has a name and arguments");
            _ = arguments!.ToJsonString();
        }
        catch (RefusedException refused)
        {
            Promise.Require(refused.Refusal.Expected.Length > 0, "what is refused is told why");
        }
    }
}

/// <summary>A stream that gives a few bytes at a time, at once.</summary>
internal sealed class PiecesStream(byte[] bytes, int cut) : MemoryStream(bytes)
{
    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(
        Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        ValueTask.FromResult(Read(buffer.Span[..Math.Min(cut, buffer.Length)]));
}
