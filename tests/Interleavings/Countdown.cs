namespace StorageOs.Interleavings;

/// <summary>Something that is waited for until it has happened so many times.</summary>
internal sealed class Countdown(int times)
{
    private readonly TaskCompletionSource<bool> over = new();
    private int left = times;

    /// <summary>It happens; by one thread at a time.</summary>
    public void Tick()
    {
        if (--left == 0)
        {
            over.SetResult(true);
        }
    }

    /// <summary>Waits, however long that takes: what never happens is a deadlock.</summary>
    public void Wait() => over.Task.Wait();
}
