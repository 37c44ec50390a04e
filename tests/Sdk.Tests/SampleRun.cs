using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace StorageOs.Sdk.Tests;

/// <summary>
/// An application server and its storage node as processes, with the sample's own configuration
/// but for where things lie.
/// </summary>
internal sealed class SampleRun : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("storageos-app-");
    private readonly HttpClient http;
    private readonly string sample;
    private readonly string transport;
    private readonly int web = FreePort();
    private readonly int wire = FreePort();
    private Process? server;
    private Process? storage;
    private int number;

    /// <param name="sample">Where it is built.</param>
    /// <param name="transport">By which the two reach each other.</param>
    /// <param name="isolated">
    /// Whether the storage node runs its end in a process of its own.
    /// </param>
    internal SampleRun(string sample, string transport, bool isolated = false)
    {
        (this.sample, this.transport) = (sample, transport);
        http = new()
        {
            BaseAddress = new Uri($"http://127.0.0.1:{web}"),
            Timeout = TimeSpan.FromSeconds(15),
        };
        string run = Directory.CreateDirectory(Path.Combine(folder.FullName, "run")).FullName;
        string key = Path.Combine(run, "pair.key");
        File.WriteAllBytes(key, Guid.NewGuid().ToByteArray().Concat(
            Guid.NewGuid().ToByteArray()).ToArray());
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        CopyPlugin(isolated);
        foreach (string file in new[] { "appsettings.json", "storage-node.json" })
        {
            File.Copy(Path.Combine(sample, file), Path.Combine(folder.FullName, file));
        }
    }

    /// <summary>What the server does without its partner.</summary>
    internal string WithoutPartner { get; init; } = "refuse";

    internal void StartServer() => server = Start(
        Path.Combine(sample, "Server/bin/Debug/net10.0/ApplicationServer"), "server.txt",
        [
            $"--Urls=http://127.0.0.1:{web}", $"--Journal:WithoutPartner={WithoutPartner}",
            .. Addresses("127.0.0.1", "127.0.0.2").Select(pair => $"--StorageOs:{pair}"),
        ]);

    internal void StartStorage() => storage = Start(
        Path.Combine(Workshop.Root, "artifacts/kernel/StorageOs.Kernel"), "storage.txt",
        [
            "boot", "--config", Path.Combine(folder.FullName, "storage-node.json"),
            .. Addresses("127.0.0.2", "127.0.0.1")
                .Append($"plugins:directories:0={Workshop.Root}/artifacts/plugins")
                .Append($"plugins:directories:1={PluginFolder}")
                .SelectMany(pair => (string[])["--set", pair]),
        ]);

    internal void KillServer() => Kill(ref server);

    internal void KillStorage() => Kill(ref storage);

    /// <summary>Kills the process that the storage node runs its end of the records in.</summary>
    internal void KillPlugin()
    {
        string child = File.ReadLines($"/proc/{storage!.Id}/task/{storage.Id}/children")
            .Concat(Directory.GetDirectories($"/proc/{storage.Id}/task").SelectMany(
                static task => File.ReadLines(Path.Combine(task, "children"))))
            .SelectMany(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Distinct().Single();
        using Process process = Process.GetProcessById(int.Parse(child));
        process.Kill();
        process.WaitForExit();
    }

    internal void DeleteTheServersFile() =>
        File.Delete(Path.Combine(folder.FullName, "run/app/records.log"));

    /// <summary>Posts a record.</summary>
    internal async Task<(int Status, JsonObject Answer)> PostAsync(string text)
    {
        using StringContent content = new(text);
        using HttpResponseMessage answer = await http.PostAsync("/records", content);
        return ((int)answer.StatusCode,
            JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsObject());
    }

    /// <summary>What the server says of itself; null when it does not answer.</summary>
    internal async Task<JsonNode?> HealthAsync()
    {
        try
        {
            using HttpResponseMessage answer = await http.GetAsync("/health");
            return JsonNode.Parse(await answer.Content.ReadAsStringAsync());
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    internal async Task<(string Text, string Held)[]> RecordsAsync() =>
    [
        .. JsonNode.Parse(await http.GetStringAsync("/records"))!.AsArray().Select(
            record => ($"{record!["text"]}", $"{record["held"]}")),
    ];

    internal Task AcknowledgesAsync() => UntilAsync(
        async () => await HealthAsync() is { } health
            && health["acknowledges"]!.GetValue<bool>(), "records are acknowledged");

    /// <summary>The partner's end is gone, and is started again a second or more later.</summary>
    internal Task SeesTheLossAsync() => UntilAsync(
        async () => await HealthAsync() is { } health
            && !health["acknowledges"]!.GetValue<bool>(), "the loss is seen");

    /// <summary>Writes some, each of which must be acknowledged.</summary>
    internal async Task WriteAsync(List<string> acknowledged, int count)
    {
        for (int i = 0; i < count; i++)
        {
            string text = $"record {++number} of several words";
            (int status, JsonObject answer) = await PostAsync(text);
            Assert.True(status == 201, $"{status} {answer}\n{Said()}");
            Assert.Equal("both", $"{answer["held"]}");
            acknowledged.Add(text);
        }
    }

    /// <summary>Writes by several at once until what is killed is dead.</summary>
    internal async Task WriteUntilKilledAsync(List<string> acknowledged, Action kill)
    {
        int before = acknowledged.Count;
        bool killed = false;
        Task[] writers = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!Volatile.Read(ref killed))
            {
                string text = $"record {Interlocked.Increment(ref number)} of several words";
                try
                {
                    if ((await PostAsync(text)).Status == 201)
                    {
                        lock (acknowledged)
                        {
                            acknowledged.Add(text);
                        }
                    }
                }
                catch (HttpRequestException)
                {
                    return; // Killed in the middle of an answer: not acknowledged.
                }
            }
        }))];
        await UntilAsync(
            () =>
            {
                lock (acknowledged)
                {
                    return Task.FromResult(acknowledged.Count > before + 100);
                }
            },
            "a hundred are acknowledged");
        kill();
        Volatile.Write(ref killed, true);
        await Task.WhenAll(writers);
    }

    /// <summary>Every acknowledged record is there, once; others may be.</summary>
    internal void ExpectHeld(List<string> acknowledged, (string Text, string Held)[] found)
    {
        string[] texts = [.. found.Select(record => record.Text)];
        Assert.Equal(texts.Distinct(), texts);
        string[] lost = [.. acknowledged.Except(texts)];
        Assert.True(lost.Length == 0, $"lost: {string.Join(", ", lost)}\n{Said()}");
        Assert.All(found, record => Assert.Equal("both", record.Held));
    }

    internal async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        for (long from = Stopwatch.GetTimestamp(); !await condition();)
        {
            Assert.True(
                Stopwatch.GetElapsedTime(from) < Patience,
                $"not in time: {what}\n{await HealthAsync()}\n{Said()}");
            await Task.Delay(20);
        }
    }

    public void Dispose()
    {
        KillServer();
        KillStorage();
        http.Dispose();
        folder.Delete(recursive: true);
    }

    private string PluginFolder => Path.Combine(folder.FullName, "plugin");

    private void CopyPlugin(bool isolated)
    {
        _ = Directory.CreateDirectory(PluginFolder);
        foreach (string file in Directory.GetFiles(Path.Combine(sample, "Journal/bin/plugin")))
        {
            File.Copy(file, Path.Combine(PluginFolder, Path.GetFileName(file)));
        }

        string path = Path.Combine(PluginFolder, "plugin.json");
        JsonObject manifest = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        manifest["isolation"] = isolated ? "process" : "none";
        File.WriteAllText(path, manifest.ToJsonString());
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static void Kill(ref Process? process)
    {
        if (process is not null)
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
            process = null;
        }
    }

    private string[] Addresses(string own, string partner) => transport == "loopback" ? [] :
    [
        $"transport:name={transport}", $"transport:address={own}", $"transport:port={wire}",
        $"partner:address={partner}", $"partner:port={wire}",
    ];

    // By a shell that becomes the program, so that what it says goes to a file and its id is known.
    private Process Start(string program, string said, string[] arguments)
    {
        ProcessStartInfo start = new("/bin/sh")
        {
            WorkingDirectory = folder.FullName,
        };
        foreach (string argument in (string[])[
            "-c", "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1 </dev/null", "sh", said, program,
            .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }

    private string Said() => string.Join('\n', folder.GetFiles("*.txt").Select(
        file => $"{file.Name}:\n{File.ReadAllText(file.FullName)}"));
}
