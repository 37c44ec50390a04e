using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.GuestProbe;

/// <summary>
/// One operation after the other on a port, each from its post to its completion. It waits on the
/// port's descriptor: a guest has one processor, and a reactor that spins on it ends the session.
/// </summary>
internal sealed class PortTimes(GuestProbeClient client, IReactor reactor)
{
    private readonly Completion[] completions = new Completion[1];
    private readonly Times times = new();
    private TaskCompletionSource? done;
    private IPort port = null!;
    private int bytes;
    private int left;
    private bool reads;
    private long posted;

    /// <summary>
    /// Arguments: <c>kind</c> (write or read), <c>bytes</c>, <c>count</c>.
    /// </summary>
    public async ValueTask<JsonNode?> RunAsync(JsonObject arguments)
    {
        port = Session().Ports["measured"];
        if (port is not ICompletionChannel channel)
        {
            throw new RefusedException(new Refusal(
                "guest-port", "a transport whose ports have a descriptor to wait on", "none",
                "measure with transport verbs"));
        }

        reads = $"{arguments["kind"]}" == "read";
        bytes = arguments["bytes"]!.GetValue<int>();
        left = arguments["count"]!.GetValue<int>();
        times.Clear();
        done = new TaskCompletionSource();
        using IDescriptorWatch watch = reactor.Watch(
            channel.Descriptor, DescriptorInterest.Readable, _ => Wake(channel));
        channel.Arm();
        Post();
        await done.Task;
        return times.Report();
    }

    private ClientGrant Session() => client.Grant ?? throw new RefusedException(new Refusal(
        "bench-guest", "a session with the partner", "none", "wait until the pair is ready"));

    private void Wake(ICompletionChannel channel)
    {
        channel.Arm();
        if (port.Poll(completions) == 0)
        {
            return;
        }

        times.Add(posted);
        left--;
        if (completions[0].Status != CompletionStatus.Success || client.Grant is null)
        {
            done!.TrySetException(Failed());
        }
        else if (left == 0)
        {
            done!.TrySetResult();
        }
        else
        {
            Post();
        }
    }

    private RefusedException Failed() => new(new Refusal(
        "bench-guest", "operations that succeed", $"{completions[0].Status}",
        "measure again; the session ended meanwhile"));

    private void Post()
    {
        IRegion source = client.Services.Region("source");
        IRemoteMemory target = Session().Memory["target"];
        posted = Stopwatch.GetTimestamp();
        Invariant.Require(reads
            ? port.TryPostRead(1, source, 0, target, 0, bytes)
            : port.TryPostWrite(1, source, 0, target, 0, bytes));
    }
}
