using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// Gives out this board's slots and takes them back. Any thread; control path only.
/// </summary>
internal sealed class SlotPool(MappedBoard board)
{
    private readonly Lock gate = new();
    private readonly Queue<int> free = new(Enumerable.Range(0, Limits.BoardSlots));

    /// <summary>Publishes a grant under a new key.</summary>
    public ulong Publish(Grant grant)
    {
        lock (gate)
        {
            if (!free.TryDequeue(out int slot))
            {
                throw new RefusedException(new Refusal(
                    "loopback transport",
                    $"at most {Limits.BoardSlots} offered regions and ports at once",
                    "one more",
                    "use fewer clients"));
            }

            ulong key = MappedBoard.NewKey(slot);
            board.Publish(key, grant);
            return key;
        }
    }

    /// <summary>
    /// Ends a grant; when it returns, nothing under the key can succeed any more.
    /// </summary>
    public void Clear(ulong key)
    {
        board.Clear(key);
        lock (gate)
        {
            free.Enqueue(MappedBoard.SlotOf(key));
        }
    }
}
