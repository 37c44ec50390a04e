using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;
using Spectre.Console.Rendering;
using StorageOs.Contracts.Runtime;
using Size = StorageOs.Contracts.Runtime.Size;

namespace StorageOs.Kernel.Cli.Top;

/// <summary>
/// <c>top</c>: rates and latencies of every volume, as its node measured them in the last second.
/// </summary>
internal static class TopCommand
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    internal static Command Make()
    {
        Option<string?> directory = PairCommand.Directory();
        Option<int> times = new("--times")
        {
            Description = "how often to look, once a second; 0 goes on until Ctrl-C",
            DefaultValueFactory = static _ => 0,
        };
        Command command = new("top", "Shows rates and latencies of each volume as they are.")
        {
            times, directory,
        };
        command.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            return pair.Guests is null
                ? RunAsync(Output.Of(parsed), pair, parsed.GetValue(times), cancellation)
                : throw new RefusedException(new Refusal(
                    "top", "nodes whose HTTP API can be reached", "a pair of guests",
                    "ask the API within the guest"));
        });
        return command;
    }

    private static async Task<int> RunAsync(
        Output output, PairLayout pair, int times, CancellationToken cancellation)
    {
        NodeFeed[] feeds = [.. PairLayout.Names.Select(
            name => new NodeFeed(name, pair.Api(name)))];
        try
        {
            if (output.Json || Console.IsOutputRedirected)
            {
                await EachAsync(times, () => Write(output, feeds), cancellation);
            }
            else
            {
                await Output.Tables().Live(new Text("asking…")).StartAsync(live => EachAsync(
                    times,
                    () =>
                    {
                        live.UpdateTarget(Table(feeds));
                        live.Refresh();
                    },
                    cancellation));
            }
        }
        finally
        {
            foreach (NodeFeed feed in feeds)
            {
                await feed.DisposeAsync();
            }
        }

        return feeds.Any(static feed => feed.Trouble.Length == 0)
            ? ExitCode.Good : ExitCode.Failed;
    }

    private static async Task EachAsync(int times, Action show, CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(Period);
        try
        {
            for (int i = 0; times == 0 || i < times; i++)
            {
                _ = await timer.WaitForNextTickAsync(cancellation);
                show();
            }
        }
        catch (OperationCanceledException)
        {
            // Ctrl-C is how it ends.
        }
    }

    private static void Write(Output output, NodeFeed[] feeds)
    {
        if (!output.Json)
        {
            Output.Tables().Write(Table(feeds));
            return;
        }

        JsonObject document = new()
        {
            ["nodes"] = new JsonArray([.. feeds.Select(static feed => new JsonObject
            {
                ["name"] = feed.Name,
                ["trouble"] = feed.Trouble,
                ["volumes"] = feed.Rates?["volumes"]?.DeepClone(),
            })]),
        };
        Console.Out.WriteLine(document.ToJsonString());
    }

    private static Rows Table(NodeFeed[] feeds)
    {
        Table table = new() { Border = TableBorder.Simple };
        foreach (string column in (string[])[
            "Volume", "By", "Read/s", "MiB/s", "p50", "p99", "Write/s", "MiB/s", "p50", "p99"])
        {
            TableColumn made = new TableColumn(column).NoWrap().PadLeft(0).PadRight(1);
            _ = table.AddColumn(column is "Volume" or "By" ? made : made.RightAligned());
        }

        foreach (NodeFeed feed in feeds)
        {
            foreach (JsonNode? volume in feed.Rates?["volumes"] as JsonArray ?? [])
            {
                table.AddRow([
                    new Text($"{volume?["name"]}"), new Text(feed.Name),
                    .. Side(volume, "read"), .. Side(volume, "write")]);
            }
        }

        return new Rows([
            table, new Text("p50 and p99 in µs"),
            .. feeds.Where(static feed => feed.Trouble.Length > 0).Select(
                static feed => new Text($"{feed.Name}: {Printable.Of(feed.Trouble)}"))]);
    }

    private static IEnumerable<IRenderable> Side(JsonNode? volume, string operation)
    {
        yield return Cell(volume?[$"{operation}sPerSecond"], 1);
        yield return Cell(volume?[$"{operation}BytesPerSecond"], 1.0 / Size.MiB);
        yield return Cell(volume?[$"{operation}P50Us"], 1);
        yield return Cell(volume?[$"{operation}P99Us"], 1);
    }

    private static Text Cell(JsonNode? value, double unit)
    {
        double? number = value?.GetValue<double>() * unit;
        return new Text(number?.ToString(
            number is > 0 and < 10 ? "0.0" : "0", CultureInfo.InvariantCulture) ?? "");
    }
}
