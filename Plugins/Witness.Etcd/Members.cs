using StorageOs.Witness.Etcd.Wire;

namespace StorageOs.Witness.Etcd;

// The member that answered last is asked first. One that does not answer soon is not waited for:
// the next is asked, too, and whoever answers first is believed, for every answer is linearizable.
// Only reads are spread like this. A swap goes to one member.

/// <summary>The members of the cluster, as one group's register uses them.</summary>
internal sealed class Members(EtcdSettings settings) : IDisposable
{
    private static readonly TimeSpan AskNextAfterMax = TimeSpan.FromMilliseconds(100);
    private readonly Member[] all =
        [.. settings.Endpoints.Select(address => new Member(address, settings))];

    private volatile int preferred;

    /// <summary>Reads at whoever answers; null, and why, when nobody does in time.</summary>
    public async Task<(Member? By, Answer<RangeResponse> Answer)> ReadAsync(
        RangeRequest request, CancellationToken cancellation)
    {
        using CancellationTokenSource limit =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(settings.Deadline);
        using CancellationTokenSource unneeded =
            CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        List<(int Index, Task<Answer<RangeResponse>> Task)> asked = [];
        List<string> failures = [];
        int first = preferred;
        int begun = 0;
        while (begun < all.Length || asked.Count > 0)
        {
            if (begun < all.Length)
            {
                int index = (first + begun++) % all.Length;
                asked.Add((index, all[index].ReadAsync(request, limit.Token, unneeded.Token)));
            }

            await AnyAsync(asked.Select(static a => a.Task), mayBegin: begun < all.Length);
            foreach (var (index, task) in asked.FindAll(static a => a.Task.IsCompleted))
            {
                Answer<RangeResponse> answer = await task;
                if (answer.Value is not null)
                {
                    preferred = index;
                    await unneeded.CancelAsync();
                    return (all[index], answer);
                }

                failures.Add(answer.Why);
                asked.RemoveAll(a => a.Task == task);
            }
        }

        failures.Sort(StringComparer.Ordinal); // The same words while nothing changes.
        return (null, new Answer<RangeResponse>(null, string.Join("; ", failures)));
    }

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach(all, static member => member.Dispose());

    /// <summary>Waits for any of them, and no longer than until the next may be asked.</summary>
    private async Task AnyAsync(IEnumerable<Task> asked, bool mayBegin)
    {
        if (!mayBegin)
        {
            await Task.WhenAny(asked);
            return;
        }

        TimeSpan share = settings.Deadline / (all.Length + 1);
        using CancellationTokenSource waiting = new();
        Task next = Task.Delay(
            share < AskNextAfterMax ? share : AskNextAfterMax, waiting.Token);
        await Task.WhenAny([.. asked, next]);
        await waiting.CancelAsync();
    }
}
