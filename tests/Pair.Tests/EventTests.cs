using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>Events of a pair of processes, as an operator sees them.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class EventTests
{
    [Fact]
    [Raises("register-refused")]
    public async Task Events_are_followed_as_they_happen_and_past_the_death_of_a_node()
    {
        await using PairRun pair = new();
        pair.Make();
        pair.Configure("b", static settings => settings["log"] = new JsonObject
        {
            ["form"] = "json",
        });
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        using Following follow = new(pair, "events", "--follow", "--severity", "warning");
        using Following json = new(pair, "events", "--follow", "-o", "json");
        using Following status = new(pair, "status", "--watch");
        foreach (string entry in Directory.EnumerateFiles(Path.Combine(pair.Folder, "witness")))
        {
            File.Delete(entry);
        }

        await follow.UntilAsync("[register-refused]");
        pair.NoteEvents();
        await json.UntilAsync("\"name\":\"register-refused\"");
        PairRun.Signal(pair.Pid("b"), "KILL");
        await follow.UntilAsync("[session-ended]");
        await follow.UntilAsync("b does not answer");
        await status.UntilAsync("Unreachable");
        pair.Boot("b");
        await follow.UntilAsync("b answers again");
        int seen = follow.Count("[session-ended]");
        Assert.Equal(1, seen);
        Assert.DoesNotContain(follow.Lines, static line => line.Length > 80);
        Assert.DoesNotContain(follow.Lines, static line => line.Contains('\x1b'));
        Assert.DoesNotContain("[session-ready]", string.Join(' ', follow.Lines));
        Assert.All(json.Lines, static line => Assert.NotNull(JsonNode.Parse(line)!["severity"]));
        Assert.Equal(0, await follow.EndAsync());
        Assert.Equal(0, await status.EndAsync());
        Assert.All(
            pair.Log("b").Split('\n', StringSplitOptions.RemoveEmptyEntries),
            static line => Assert.NotNull(JsonNode.Parse(line)!["message"]));
        string timeline = pair.Ask("timeline").Out;
        Assert.Contains("warn", timeline);
        Assert.Contains("[session-ended]", timeline);
    }

    /// <summary>A command that goes on until it is told to end.</summary>
    private sealed class Following : IDisposable
    {
        private readonly Process process;

        public Following(PairRun pair, params string[] arguments)
        {
            ProcessStartInfo start = new(PairRun.Kernel) { RedirectStandardOutput = true };
            foreach (string argument in (string[])[.. arguments, "--dir", pair.Folder])
            {
                start.ArgumentList.Add(argument);
            }

            process = Process.Start(start)!;
            process.OutputDataReceived += (_, line) =>
            {
                if (line.Data is { Length: > 0 } text)
                {
                    Lines.Enqueue(text);
                }
            };
            process.BeginOutputReadLine();
        }

        public ConcurrentQueue<string> Lines { get; } = new();

        // A long line is broken at a blank, before an id as well as elsewhere.
        public int Count(string text) => string.Join(' ', Lines.Select(static line => line.Trim()))
            .Split(text).Length - 1;

        public Task UntilAsync(string text) => PairRun.UntilAsync(
            () => Count(text) > 0, $"{text} in {string.Join('\n', Lines)}");

        public async Task<int> EndAsync()
        {
            // As Ctrl-C, which is ignored by whatever was started in the background of a script.
            PairRun.Signal(process.Id, "TERM");
            await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(10));
            return process.ExitCode;
        }

        public void Dispose()
        {
            if (!process.HasExited)
            {
                process.Kill();
            }

            process.Dispose();
        }
    }
}
