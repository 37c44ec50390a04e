namespace StorageOs.Fuzz;

/// <summary>
/// Where every choice of a run comes from: xorshift64*, for it must be fast and the same on every
/// machine.
/// </summary>
internal sealed class Choices(ulong seed)
{
    private ulong state = (seed * 0x9E37_79B9_7F4A_7C15) | 1;

    /// <summary>64 bits.</summary>
    public ulong Next()
    {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 0x2545_F491_4F6C_DD1D;
    }

    /// <summary>A number from 0 up to, not including, a limit.</summary>
    public int Below(int limit) => (int)(((Next() >> 32) * (ulong)limit) >> 32);

    /// <summary>One time in so many.</summary>
    public bool OneIn(int times) => Below(times) == 0;
}
