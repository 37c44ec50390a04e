using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>
/// Guest b ends a's access to memory that a is writing to: how long that takes, and how long a's
/// first write behind it takes to be known as failed.
/// </summary>
internal sealed class FenceBench(BenchGuests guests, BenchView view, int rounds)
{
    private const double AimUs = 1_000;
    private const int LooksMax = 60;
    private static readonly TimeSpan LookPeriod = TimeSpan.FromMilliseconds(500);

    /// <summary>Runs all rounds.</summary>
    internal async Task RunAsync(JsonObject results, CancellationToken cancellation)
    {
        Samples fenced = new();
        Samples proven = new();
        Samples known = new();
        Samples since = new();
        for (int round = 0; round < rounds; round++)
        {
            view.Progress("fence", round, rounds);

            // The stale write fails its port, which ends the session by design.
            string session = await guests.InSyncAsync("a", cancellation);
            _ = await guests.AskAsync("b", "guest-offer", [], cancellation);
            Task<JsonNode?> writer = guests.AskAsync("a", "guest-stale", [], cancellation);
            await UntilWritingAsync(writer, cancellation);
            JsonNode fence = (await guests.AskAsync("b", "guest-fence", [], cancellation))!;
            JsonNode told = (await writer)!;
            if (!fence["rejected"]!.GetValue<bool>() || told["written"]!.GetValue<int>() == 0)
            {
                throw new RefusedException(new Refusal(
                    "fence", "a writer that wrote, and a write under the old key rejected",
                    $"{told["written"]} writes, rejected: {fence["rejected"]}"));
            }

            fenced.Add(fence["fencedUs"]!.GetValue<double>());
            proven.Add(fence["provenUs"]!.GetValue<double>());
            known.Add(told["fromItsPostUs"]!.GetValue<double>());
            since.Add(told["fromLastGoodUs"]!.GetValue<double>());
            await UntilEndedAsync(session, cancellation);
        }

        results["times"] = rounds;
        results["fencedUs"] = fenced.Median;
        results["fencedWorstUs"] = fenced.Worst;
        results["provenByProbeUs"] = proven.Median;
        results["staleWriterKnowsUs"] = known.Median;
        results["staleWriterKnowsWorstUs"] = known.Worst;
        results["staleWriterSinceLastGoodUs"] = since.Median;
        results["aim"] = "fenced and known within 1 ms each";
        results["reached"] = fenced.Median <= AimUs && known.Median <= AimUs;
    }

    private async Task UntilEndedAsync(string session, CancellationToken cancellation)
    {
        string now = session;
        for (int looks = 0; now == session; looks++)
        {
            if (looks == LooksMax)
            {
                throw new RefusedException(new Refusal(
                    "fence", "a session that ends with the port that failed", session));
            }

            await BenchPair.WaitAsync(LookPeriod, cancellation);
            (now, _) = await guests.ReadyAsync("a", cancellation);
        }
    }

    /// <summary>Waits for a writer that has begun, or given up and says why.</summary>
    private async Task UntilWritingAsync(Task writer, CancellationToken cancellation)
    {
        bool writing = false;
        while (!writing && !writer.IsCompleted)
        {
            await BenchPair.WaitAsync(LookPeriod, cancellation);
            JsonNode? told = await guests.AskAsync("a", "guest-writing", [], cancellation);
            writing = told!["writing"]!.GetValue<bool>();
        }
    }
}
