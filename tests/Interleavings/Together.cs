namespace StorageOs.Interleavings;

/// <summary>What scenarios share.</summary>
internal static class Together
{
    /// <summary>Runs all of them at the same time, and ends when each has.</summary>
    public static void Run(params Action[] all)
    {
        Task[] tasks = new Task[all.Length];
        for (int i = 0; i < all.Length; i++)
        {
            tasks[i] = Task.Run(all[i]);
        }

        Task.WaitAll(tasks); // As an array: Coyote knows no overload that takes a span.
    }

    /// <summary>Fails the scenario when what must hold does not.</summary>
    public static void Require(bool holds, string what) =>
        Microsoft.Coyote.Specifications.Specification.Assert(holds, what);
}
