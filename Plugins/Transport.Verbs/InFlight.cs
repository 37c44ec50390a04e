using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// Posts not yet handed back, oldest first, and what is known of them. Fixed size, one thread at a
/// time. Posts that a card works on come first; those that never went to it follow.
/// </summary>
internal sealed class InFlight(int capacity)
{
    private const byte Pending = byte.MaxValue;
    private readonly ulong[] tokens = new ulong[capacity];
    private readonly byte[] statuses = new byte[capacity];
    private ulong taken;
    private ulong resolved;
    private ulong added;

    /// <summary>Whether as many posts are in flight as may be.</summary>
    public bool IsFull => added - taken == (ulong)tokens.Length;

    /// <summary>Whether the card works on any.</summary>
    public bool AnyPending => resolved != added && statuses[Index(resolved)] == Pending;

    /// <summary>Whether any was given up that the card may be working on still.</summary>
    public bool HasGivenUp { get; private set; }

    /// <summary>Number of the next post; its id for the card.</summary>
    public ulong Next => added;

    /// <summary>One that the card works on.</summary>
    public void Add(ulong token) => Add(token, Pending);

    /// <summary>One that never went to the card.</summary>
    public void Add(ulong token, CompletionStatus status) => Add(token, (byte)status);

    /// <summary>
    /// The card has completed this one, and by its order all before it with success.
    /// </summary>
    public void Resolve(ulong number, CompletionStatus status)
    {
        if (number < resolved)
        {
            return; // Given up before the card told.
        }

        for (; resolved < number; resolved++)
        {
            statuses[Index(resolved)] = (byte)CompletionStatus.Success;
        }

        statuses[Index(number)] = (byte)status;
        resolved = number + 1;
    }

    /// <summary>
    /// The card will not tell of those it was given any more. Whether it works on them is unknown:
    /// until their queue pair is destroyed their bytes may land.
    /// </summary>
    public void ResolveRest(CompletionStatus status)
    {
        HasGivenUp |= AnyPending;
        for (; AnyPending; resolved++)
        {
            statuses[Index(resolved)] = (byte)status;
        }
    }

    /// <summary>Takes as many as are known and fit.</summary>
    public int Take(Span<Completion> destination)
    {
        int count = 0;
        while (count < destination.Length && taken != added
            && statuses[Index(taken)] is var status and not Pending)
        {
            destination[count++] = new(tokens[Index(taken)], (CompletionStatus)status);
            taken++;
        }

        resolved = Math.Max(resolved, taken);
        return count;
    }

    private void Add(ulong token, byte status)
    {
        int index = Index(added++);
        tokens[index] = token;
        statuses[index] = status;
    }

    private int Index(ulong number) => (int)(number % (ulong)tokens.Length);
}
