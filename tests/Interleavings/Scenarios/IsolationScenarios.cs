using StorageOs.Contracts.Transports;
using StorageOs.Interleavings.Doubles;
using StorageOs.Kernel.Isolation;

namespace StorageOs.Interleavings.Scenarios;

/// <summary>A plugin's process and its node, over the queues of one port.</summary>
public static class IsolationScenarios
{
    private const int Posts = 3;
    private const int InFlightMax = 2;

    /// <summary>
    /// The process posts and waits for completions, the node serves and waits for posts: each comes
    /// once and in order, and nobody waits for ever.
    /// </summary>
    public static void Nobody_sleeps_over_a_post_or_a_completion()
    {
        EventCounter.Reset();
        int toNode = EventCounter.Open();
        int toProcess = EventCounter.Open();
        PostRing node = PostRing.Create("port", InFlightMax);
        PostRing process = PostRing.Open("port", InFlightMax);
        Together.Run(
            () => Post(process, EventCounter.Of(toNode), EventCounter.Of(toProcess)),
            () => Serve(node, EventCounter.Of(toProcess), EventCounter.Of(toNode)));
    }

    private static void Post(PostRing ring, EventCounter node, EventCounter own)
    {
        Completion[] done = new Completion[InFlightMax];
        ulong posted = 0;
        ulong completed = 0;
        while (completed < Posts)
        {
            while (posted < Posts && posted - completed < InFlightMax)
            {
                ring.Add(new Post { Token = ++posted, Kind = PostKind.Word });
                if (ring.Publish())
                {
                    _ = node.Write(1);
                }
            }

            int count = ring.TakeCompletions(done);
            for (int i = 0; i < count; i++)
            {
                Together.Require(done[i].Token == ++completed, "not the completion that was due");
            }

            if (count == 0)
            {
                ring.WantWord();
                if (!ring.HasCompletions)
                {
                    Wait(own);
                }
            }
        }
    }

    private static void Serve(PostRing ring, EventCounter process, EventCounter own)
    {
        for (ulong served = 0; served < Posts;)
        {
            if (!ring.TryPeek(out Post post))
            {
                if (!ring.Sleep())
                {
                    Wait(own);
                }

                continue;
            }

            Together.Require(post.Token == ++served, "not the post that was due");
            ring.Advance();
            if (ring.Complete(
                [new(post.Token, CompletionStatus.Success)], PortState.Open, exited: false))
            {
                _ = process.Write(1);
            }
        }
    }

    private static void Wait(EventCounter bell)
    {
        bell.Await();
        ulong rings = 0;
        _ = bell.Read(ref rings);
    }
}
