namespace StorageOs.Simulator.Whole;

/// <summary>
/// Memory for regions, used again from one run to the next: the largest part of what a run needs.
/// </summary>
internal sealed class MemoryPool
{
    [ThreadStatic]
    private static Dictionary<int, Stack<byte[]>>? free;
    private readonly List<byte[]> taken = [];

    /// <summary>Some that is all zeros.</summary>
    public byte[] Take(int bytes)
    {
        free ??= [];
        byte[] memory;
        if (free.TryGetValue(bytes, out Stack<byte[]>? left) && left.TryPop(out byte[]? used))
        {
            memory = used;
            Array.Clear(memory);
        }
        else
        {
            memory = new byte[bytes];
        }

        taken.Add(memory);
        return memory;
    }

    /// <summary>The run is over: nothing uses what it took.</summary>
    public void ReturnAll()
    {
        free ??= [];
        foreach (byte[] memory in taken)
        {
            if (!free.TryGetValue(memory.Length, out Stack<byte[]>? left))
            {
                free[memory.Length] = left = new();
            }

            left.Push(memory);
        }

        taken.Clear();
    }
}
