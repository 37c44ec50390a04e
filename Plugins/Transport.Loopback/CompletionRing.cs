using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Loopback;

/// <summary>Completions not yet polled, oldest first. Fixed size, one thread.</summary>
internal sealed class CompletionRing(int capacity)
{
    private readonly Completion[] entries = new Completion[capacity];
    private int head;
    private int count;

    /// <summary>Whether as many posts are in flight as may be.</summary>
    public bool IsFull => count == entries.Length;

    /// <summary>Adds one; there must be room.</summary>
    public void Add(ulong token, CompletionStatus status)
    {
        int tail = head + count;
        entries[tail >= entries.Length ? tail - entries.Length : tail] = new(token, status);
        count++;
    }

    /// <summary>Takes as many as there are and fit.</summary>
    public int Take(Span<Completion> destination)
    {
        int taken = Math.Min(count, destination.Length);
        for (int i = 0; i < taken; i++)
        {
            destination[i] = entries[head];
            head = head + 1 == entries.Length ? 0 : head + 1;
        }

        count -= taken;
        return taken;
    }
}
