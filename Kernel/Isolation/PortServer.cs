using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Kernel.Isolation;

/// <summary>
/// Posts on a real port what a plugin's process asks for, and tells it what became of it. The bytes
/// themselves are where both have them mapped. Plugin's reactor in the node only; a turn allocates
/// nothing.
/// </summary>
/// <param name="port">The port; closed by whoever opened it.</param>
/// <param name="ring">Its queues; this object's from here on.</param>
/// <param name="client">Whose port it is.</param>
/// <param name="wake">Wakes the process.</param>
internal sealed class PortServer(IPort port, PostRing ring, IsolatedClient client, Action wake)
    : IDisposable
{
    private readonly Completion[] completions = new Completion[32];
    private int inFlight;
    private bool closed;

    /// <summary>Whether every post has completed and no more can come.</summary>
    internal bool IsDone => closed && inFlight == 0;

    /// <summary>Its port.</summary>
    internal IPort Port => port;

    /// <summary>Takes posts and tells of completions; whether there were any.</summary>
    internal bool Turn()
    {
        bool took = !closed && TakePosts();
        int count = port.Poll(completions);
        inFlight -= count;
        if (ring.Complete(completions.AsSpan(0, count), port.State, port.PartnerExited))
        {
            wake();
        }

        return took || count > 0;
    }

    /// <summary>Before the reactor sleeps; whether there is work after all.</summary>
    internal bool Sleep()
    {
        if (closed && inFlight == 0)
        {
            return false;
        }

        if (inFlight > 0 && port is ICompletionChannel channel)
        {
            channel.Arm();
            if (Turn())
            {
                return true;
            }
        }

        return !closed && ring.Sleep();
    }

    /// <summary>The process posts nothing more: what it has posted completes.</summary>
    internal void Close()
    {
        while (Turn())
        {
            // Until nothing is left to take.
        }

        closed = true;
    }

    /// <inheritdoc/>
    public void Dispose() => ring.Dispose();

    private bool TakePosts()
    {
        int before = inFlight;
        bool holds = false;
        while (ring.TryPeek(out Post post))
        {
            if (!holds)
            {
                port.Hold();
                holds = true;
            }

            if (!TryPost(post))
            {
                break; // It waits for completions, and is looked at again after some.
            }

            ring.Advance();
            inFlight++;
        }

        if (holds)
        {
            port.Ring();
        }

        return inFlight != before;
    }

    private bool TryPost(in Post post)
    {
        try
        {
            IRemoteMemory target = client.MemoryOf(post.Target);
            return post.Kind switch
            {
                PostKind.Write => port.TryPostWrite(
                    post.Token, client.RegionOf(post.Region), post.Offset, target,
                    post.TargetOffset, post.Length),
                PostKind.Word => port.TryPostWriteWord(
                    post.Token, post.Value, target, post.TargetOffset),
                PostKind.Read => port.TryPostRead(
                    post.Token, client.RegionOf(post.Region), post.Offset, target,
                    post.TargetOffset, post.Length),
                PostKind.Flush when port is IPersistentFlush flush =>
                    flush.TryPostFlush(post.Token, target),
                _ => throw new PluginProcessException(
                    $"a post was expected of it, found kind {(uint)post.Kind}"),
            };
        }
        catch (Exception wrong) when (wrong is ArgumentException or InvariantException)
        {
            throw new PluginProcessException(
                $"a post that can be made was expected of it, found {post.Kind}: {wrong.Message}",
                wrong);
        }
    }
}
