// What a plugin's process posts, and what becomes of it, as it lies in memory that the node maps,
// too. One line of the cache for each word that only one side writes:
//
//     0  posts taken to be there   (process)       256  state of the port        (node)
//    64  posts that were taken     (node)          320  the node sleeps          (both)
//   128  completions there         (node)          384  the process wants a word (both)
//   192  completions taken         (process)      4096  posts, then completions
//
// Both queues have room for every post that may be in flight, so neither side ever waits for room.
// The node believes nothing of it: whatever stands here was perhaps written by a process in ruins.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Isolation.Interop;

namespace StorageOs.Kernel.Isolation;

/// <summary>The kinds of posts.</summary>
internal enum PostKind : uint
{
    /// <summary>A write out of a region.</summary>
    Write = 1,

    /// <summary>A write of a word.</summary>
    Word = 2,

    /// <summary>A read into a region.</summary>
    Read = 3,

    /// <summary>A flush of earlier writes.</summary>
    Flush = 4,
}

/// <summary>One post.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct Post
{
    internal ulong Token;
    internal ulong Value;
    internal long TargetOffset;
    internal PostKind Kind;
    internal uint Region;
    internal int Offset;
    internal int Length;
    internal uint Target;
}

/// <summary>The queues of one port. Each side is one thread.</summary>
internal sealed class PostRing : IDisposable
{
    private const int PostedAt = 0, TakenAt = 64, CompletedAt = 128, PolledAt = 192;
    private const int StateAt = 256, NodeSleepsAt = 320, WantsWordAt = 384;
    private const int PostBytes = 64, CompletionBytes = 16;
    private const int ExitedBit = 1 << 16;
    private readonly SharedFile file;
    private readonly int slots;
    private ulong head; // Of the queue that this side takes from.
    private ulong tail; // Of the one that it fills.

    private PostRing(SharedFile file, int slots)
    {
        this.file = file;
        this.slots = slots;
    }

    /// <summary>Makes it; the node.</summary>
    internal static PostRing Create(string path, int postsInFlightMax) =>
        new(SharedFile.Create(path, Bytes(postsInFlightMax)), postsInFlightMax);

    /// <summary>Opens it; the process.</summary>
    internal static PostRing Open(string path, int postsInFlightMax) =>
        new(SharedFile.Open(path, Bytes(postsInFlightMax)), postsInFlightMax);

    /// <summary>State of the node's port, as it was seen last. Process, any thread.</summary>
    internal PortState State => (PortState)(Volatile.Read(ref Word(StateAt)) & (ExitedBit - 1));

    /// <summary>Whether the partner's process has ended. Process, any thread.</summary>
    internal bool PartnerExited => (Volatile.Read(ref Word(StateAt)) & ExitedBit) != 0;

    /// <summary>Whether completions wait to be taken. Process.</summary>
    internal bool HasCompletions => Volatile.Read(ref Word(CompletedAt)) != head;

    /// <summary>Adds a post, which the node does not see yet; there is room. Process.</summary>
    internal void Add(in Post post)
    {
        PostAt(tail) = post;
        tail++;
    }

    /// <summary>
    /// Shows the node what was added; whether it sleeps and must be woken. Process.
    /// </summary>
    internal bool Publish()
    {
        if (Volatile.Read(ref Word(PostedAt)) == tail)
        {
            return false;
        }

        Volatile.Write(ref Word(PostedAt), tail);
        Interlocked.MemoryBarrier(); // Either we see that it sleeps, or it sees the post.
        return Take(NodeSleepsAt);
    }

    /// <summary>Takes completions, oldest first; how many. Process.</summary>
    internal int TakeCompletions(Span<Completion> into)
    {
        ulong there = Volatile.Read(ref Word(CompletedAt));
        int count = (int)Math.Min((ulong)into.Length, there - head);
        for (int i = 0; i < count; i++)
        {
            ref ulong at = ref CompletionAt(head++);
            into[i] = new(at, (CompletionStatus)StatusOf(ref at));
        }

        Volatile.Write(ref Word(PolledAt), head);
        return count;
    }

    /// <summary>Asks to be woken at the next completion or change of state. Process.</summary>
    internal void WantWord()
    {
        Volatile.Write(ref Word(WantsWordAt), 1);
        Interlocked.MemoryBarrier();
    }

    /// <summary>The next post, if there is one. Node.</summary>
    /// <exception cref="PluginProcessException">
    /// There are more than the port may have in flight.
    /// </exception>
    internal bool TryPeek(out Post post)
    {
        ulong there = Volatile.Read(ref Word(PostedAt));
        post = default;
        if (there == head)
        {
            return false;
        }

        if (there - head > (ulong)slots)
        {
            throw new PluginProcessException(
                $"at most {slots} posts in flight were expected of it, found {there - head}");
        }

        post = PostAt(head);
        return true;
    }

    /// <summary>The post that was peeked at is taken. Node.</summary>
    internal void Advance() => Volatile.Write(ref Word(TakenAt), ++head);

    /// <summary>
    /// Says that the node sleeps until it is woken; whether a post has come meanwhile. Node.
    /// </summary>
    internal bool Sleep()
    {
        Volatile.Write(ref Word(NodeSleepsAt), 1);
        Interlocked.MemoryBarrier();
        return Volatile.Read(ref Word(PostedAt)) != head;
    }

    /// <summary>Tells what became of posts and of the port. Node.</summary>
    /// <returns>Whether the process wants to be woken for it.</returns>
    internal bool Complete(ReadOnlySpan<Completion> completions, PortState state, bool exited)
    {
        ulong word = (ulong)state | (exited ? ExitedBit : 0u);
        bool isNews = completions.Length > 0 || Volatile.Read(ref Word(StateAt)) != word;
        Volatile.Write(ref Word(StateAt), word); // First: whoever sees a failure sees why.
        foreach (Completion completion in completions)
        {
            ref ulong at = ref CompletionAt(tail++);
            at = completion.Token;
            StatusOf(ref at) = (ulong)completion.Status;
        }

        Volatile.Write(ref Word(CompletedAt), tail);
        Interlocked.MemoryBarrier();
        return isNews && Take(WantsWordAt);
    }

    /// <inheritdoc/>
    public void Dispose() => ((IDisposable)file).Dispose();

    private static int Bytes(int slots)
    {
        int bytes = Size.Page + (slots * (PostBytes + CompletionBytes));
        return (bytes + Size.Page - 1) / Size.Page * Size.Page;
    }

    private bool Take(int flag) => Volatile.Read(ref Word(flag)) != 0
        && Interlocked.Exchange(ref Word(flag), 0) != 0;

    private static ref ulong StatusOf(ref ulong token) => ref Unsafe.Add(ref token, 1);

    private ref ulong Word(int at) => ref MemoryMarshal.AsRef<ulong>(file.GetSpan()[at..]);

    private ref Post PostAt(ulong number) => ref MemoryMarshal.AsRef<Post>(
        file.GetSpan()[(Size.Page + ((int)(number % (ulong)slots) * PostBytes))..]);

    private ref ulong CompletionAt(ulong number) => ref MemoryMarshal.AsRef<ulong>(
        file.GetSpan()[(Size.Page + (slots * PostBytes)
            + ((int)(number % (ulong)slots) * CompletionBytes))..]);
}
