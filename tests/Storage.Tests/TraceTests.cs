using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Storage.Tests.Harness;
using StorageOs.Volumes;
using StorageOs.Volumes.Traces;

namespace StorageOs.Storage.Tests;

/// <summary>What a traced write is told of its way through volumes and log.</summary>
public sealed class TraceTests
{
    private static readonly string[] ToTheLog =
        ["handed to the volume", "record built in the local log", "published in the local log"];

    [Fact]
    public void A_write_of_a_client_that_knows_of_no_traces_is_traced_through_both_logs()
    {
        using TestPair pair = TestPair.InSync();
        Task<JsonNode?> trace = Trace(pair, new() { ["writes"] = 2 });
        TestRequest first = LogRuleTests.Write(pair, 8192, 4096, 1);
        ulong lsn = pair.A.Log.Acknowledged.Value;
        LogRuleTests.Write(pair, 0, 512, 2);
        LogRuleTests.Write(pair, 0, 512, 3); // One too many.
        JsonNode said = Done(pair, trace);
        JsonArray writes = said["writes"]!.AsArray();
        Assert.True(writes.Count == 2, $"{said}");
        Assert.Equal(
            [.. ToTheLog, "posted to the partner", "partner acknowledged",
                "acknowledged to the client"],
            Steps(writes[0]));
        Assert.Equal("vol0 8192 4096 Ok mirrored", Summary(writes[0]!));
        Assert.Equal(lsn, writes[0]!["lsn"]!.GetValue<ulong>());
        Assert.Equal(pair.A.Log.Summary.LastTerm.Value, writes[0]!["term"]!.GetValue<ulong>());
        Assert.Equal(Steps(writes[0]), Steps(writes[1]));
        Assert.Equal(512, writes[1]!["length"]!.GetValue<int>());
        Assert.Null(first.Trace);
    }

    [Fact]
    public void A_partner_that_is_lost_on_the_way_is_a_step_and_so_is_the_wait_for_the_register()
    {
        using TestPair pair = TestPair.InSync();
        Task<JsonNode?> trace = Trace(pair, []);
        pair.A.Port!.Held = true;
        LogRuleTests.Write(pair, 0, 4096, 1);
        pair.Disconnect();
        pair.GoAlone(pair.A);
        JsonNode write = Assert.Single(Done(pair, trace)["writes"]!.AsArray())!;
        Assert.Equal(
            [.. ToTheLog, "posted to the partner", "partner lost", "waited while frozen",
                "acknowledged to the client"],
            Steps(write));
        Assert.Equal("vol0 0 4096 Ok alone", Summary(write));

        trace = Trace(pair, []);
        LogRuleTests.Write(pair, 0, 4096, 2);
        Assert.Equal(
            [.. ToTheLog, "acknowledged to the client"],
            Steps(Done(pair, trace)["writes"]![0]));
    }

    [Fact]
    public void A_full_log_and_a_move_are_steps_too()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Disk.Writes = pair.B.Disk.Writes = DiskResult.NoSpace;
        while (LogRuleTests.Write(pair, 0, 4096, 1).Status == VolumeStatus.Ok)
        {
        }

        Task<JsonNode?> trace = Trace(pair, new() { ["writes"] = 2 });
        TestRequest waits = LogRuleTests.Write(pair, 4096, 4096, 2);
        pair.A.Disk.Writes = pair.B.Disk.Writes = DiskResult.Ok;
        pair.Reactor.Run(2000);
        Assert.Equal(VolumeStatus.Ok, waits.Status);
        Assert.True(pair.A.Store.DrainAsync(new(0), default).AsTask().IsCompletedSuccessfully);
        LogRuleTests.Write(pair, 8192, 4096, 3);
        pair.A.Store.Resume(new(0));
        JsonArray writes = Done(pair, trace)["writes"]!.AsArray();
        Assert.Equal("waited for room in the log", Steps(writes[0])[1]);
        Assert.Equal("held during a move", Steps(writes[1])[1]);
    }

    [Fact]
    public void What_is_not_answered_or_not_slow_is_counted_and_not_shown()
    {
        using TestPair pair = TestPair.InSync();
        Task<JsonNode?> trace = Trace(pair, new() { ["slowerThanUs"] = 60_000_000 });
        LogRuleTests.Write(pair, 0, 4096, 1);
        pair.A.Port!.Held = true;
        TestRequest lost = LogRuleTests.Write(pair, 4096, 4096, 2);
        pair.A.Log.StepDown();
        pair.Reactor.Drain();
        Assert.Equal(VolumeStatus.NotOwner, lost.Status);
        Assert.Equal("True", Stopped(pair));
        JsonNode said = Done(pair, trace);
        Assert.Empty(said["writes"]!.AsArray());
        Assert.Equal("1 1 0", $"{said["seen"]} {said["unanswered"]} {said["missed"]}");
        Assert.True(said["slowestUs"]!.GetValue<double>() > 0);
    }

    [Fact]
    public void A_trace_ends_by_time_or_by_whoever_asked_and_nobody_else_may_have_one_meanwhile()
    {
        using TestPair pair = TestPair.InSync();
        Task<JsonNode?> trace = Trace(pair, new() { ["timeoutMs"] = 100 });
        Assert.Contains("nobody else", Refused(pair, []));
        Assert.Contains("1 to 64", Refused(pair, new() { ["writes"] = 65 }));
        Assert.Contains("of vol0", Refused(pair, new() { ["volume"] = "vol7" }));
        Assert.Contains("found wirtes", Refused(pair, new() { ["wirtes"] = 1 }));
        pair.Reactor.Run(120);
        Assert.Empty(Done(pair, trace)["writes"]!.AsArray());
        Assert.False(pair.A.Volume.Tracing);

        using CancellationTokenSource gone = new();
        trace = Trace(pair, [], gone.Token);
        Assert.True(pair.A.Volume.Tracing);
        pair.A.Port!.Held = true;
        TestRequest write = LogRuleTests.Write(pair, 0, 4096, 1);
        gone.Cancel();
        pair.Reactor.Drain();
        Assert.True(trace.IsCanceled);
        Assert.False(pair.A.Volume.Tracing);
        pair.A.Port!.Held = false;
        pair.Reactor.Run(20);
        Assert.Equal(VolumeStatus.Ok, write.Status); // Of an order that is over, and answered.
        Assert.NotNull(write.Trace);

        // Its request is traced as any other when it is used again.
        trace = Trace(pair, []);
        pair.A.Volume.Submit(write.Again());
        pair.A.Volume.Commit();
        Assert.Equal("published in the local log", Steps(Done(pair, trace)["writes"]![0])[2]);
        Assert.Contains("serves", Refused(pair, [], pair.B));
    }

    private static TraceCommand Command(TestPair pair, TestNode? node = null) =>
        new((node ?? pair.A).Store, pair.Reactor);

    private static Task<JsonNode?> Trace(
        TestPair pair, JsonObject arguments, CancellationToken cancellation = default)
    {
        SynchronizationContext? before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(pair.Reactor);
        try
        {
            Task<JsonNode?> trace = Command(pair).RunAsync(arguments, cancellation).AsTask();
            Assert.False(trace.IsCompleted, $"{trace.Exception}");
            return trace;
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }
    }

    private static JsonNode Done(TestPair pair, Task<JsonNode?> trace)
    {
        pair.Reactor.Run(20);
        Assert.True(trace.IsCompletedSuccessfully, $"{trace.Status} {trace.Exception}");
        return trace.Result!;
    }

    private static string Stopped(TestPair pair)
    {
        Task<JsonNode?> stop = Command(pair).RunAsync(new() { ["stop"] = true }, default).AsTask();
        Assert.True(stop.IsCompletedSuccessfully);
        return $"{stop.Result!["stopped"]!.GetValue<bool>()}";
    }

    private static string Refused(TestPair pair, JsonObject arguments, TestNode? node = null) =>
        Assert.Throws<RefusedException>(
            () => Command(pair, node).RunAsync(arguments, default).AsTask().GetAwaiter()
                .GetResult()).Message;

    private static string[] Steps(JsonNode? write) =>
        [.. write!["steps"]!.AsArray().Select(static step => $"{step!["name"]}")];

    private static string Summary(JsonNode write) => string.Join(' ', new[]
    {
        "volume", "offset", "length", "status", "copies",
    }.Select(key => $"{write[key]}"));
}
