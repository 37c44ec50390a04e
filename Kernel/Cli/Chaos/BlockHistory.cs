namespace StorageOs.Kernel.Cli.Chaos;

/// <summary>One read or write of one block, as its client saw it.</summary>
/// <param name="Client">Who asked.</param>
/// <param name="Writes">A write; else a read.</param>
/// <param name="Value">What was written, or what was read. No two writes write the same.</param>
/// <param name="Start">When it was asked for.</param>
/// <param name="End">
/// When it was answered; when it was not, <see cref="BlockHistory.Never"/>, or the time by which it
/// has happened or never will.
/// </param>
internal readonly record struct BlockOperation(
    int Client, bool Writes, ulong Value, long Start, long End)
{
    /// <summary>
    /// A write that may never have happened. If it did, then before its end, at which its client
    /// was answered for a later one; <see cref="BlockHistory.Never"/> when it was not.
    /// </summary>
    public bool MayBeMissing { get; init; }
}

/// <summary>
/// Whether there is one order of all operations on a block, each at some moment between its start
/// and its answer, in which every read gives what was written last: linearizability of a register
/// whose writes are all different. By zones, after Gibbons and Korach, "Testing Shared Memories"
/// (SIAM Journal on Computing 26, 1997): a write and the reads of its value are a cluster; from the
/// earliest answer in it to the latest start the value must have been there, and no two values may
/// be there at once.
/// </summary>
internal static class BlockHistory
{
    /// <summary>End of what was not answered.</summary>
    public const long Never = long.MaxValue;

    /// <summary>Start of what was there before anybody asked.</summary>
    public const long Always = long.MinValue;

    /// <summary>Checks one block.</summary>
    /// <param name="operations">
    /// In any order. Reads without an answer say nothing and are left out.
    /// </param>
    /// <param name="initial">What was there before.</param>
    /// <returns>What cannot be; null when all of it can.</returns>
    public static string? Check(IEnumerable<BlockOperation> operations, ulong initial)
    {
        Dictionary<ulong, Cluster> clusters = new()
        {
            [initial] = Cluster.Of(new BlockOperation(-1, true, initial, Always, Always)),
        };
        List<BlockOperation> reads = [];
        foreach (BlockOperation operation in operations)
        {
            if (!operation.Writes)
            {
                reads.Add(operation);
            }
            else if (!clusters.TryAdd(operation.Value, Cluster.Of(operation)))
            {
                return $"{operation.Value:x} was written twice";
            }
        }

        foreach (BlockOperation read in reads)
        {
            if (!clusters.TryGetValue(read.Value, out Cluster cluster))
            {
                return $"{read.Value:x} was read at {read.Start} and never written";
            }

            if (read.End < cluster.WriteStart)
            {
                return $"{read.Value:x} was read at {read.Start}, before it was written at"
                    + $" {cluster.WriteStart}";
            }

            if (read.Start > cluster.GoneBy)
            {
                return $"{read.Value:x} was read at {read.Start}; its client gave it up, and was"
                    + $" answered for a later write by {cluster.GoneBy}";
            }

            clusters[read.Value] = cluster.With(read);
        }

        return CheckZones(clusters);
    }

    private static string? CheckZones(Dictionary<ulong, Cluster> clusters)
    {
        // Unanswered and never read: it may not have happened.
        List<(ulong Value, Cluster Zone)> seen = [.. clusters
            .Where(static pair => pair.Value.Happened)
            .Select(static pair => (pair.Key, pair.Value))];
        List<(ulong Value, Cluster Zone)> forward = [.. seen
            .Where(static one => one.Zone.IsForward)
            .OrderBy(static one => one.Zone.FirstEnd)];
        for (int i = 1; i < forward.Count; i++)
        {
            if (forward[i].Zone.FirstEnd < forward[i - 1].Zone.LastStart)
            {
                return Both(forward[i - 1], forward[i]);
            }
        }

        foreach ((ulong Value, Cluster Zone) one in seen.Where(static one => !one.Zone.IsForward))
        {
            int index = LastBefore(forward, one.Zone.LastStart);
            if (index >= 0 && one.Zone.FirstEnd < forward[index].Zone.LastStart)
            {
                return Both(forward[index], one);
            }
        }

        return null;
    }

    /// <summary>The last forward zone that begins before a time; -1 when there is none.</summary>
    private static int LastBefore(List<(ulong Value, Cluster Zone)> forward, long time)
    {
        int low = 0;
        for (int high = forward.Count; low < high;)
        {
            int middle = (low + high) / 2;
            (low, high) = forward[middle].Zone.FirstEnd < time ? (middle + 1, high) : (low, middle);
        }

        return low - 1;
    }

    private static string Both(
        (ulong Value, Cluster Zone) kept, (ulong Value, Cluster Zone) other) =>
        $"{kept.Value:x} was there from {kept.Zone.FirstEnd} to {kept.Zone.LastStart}, and"
        + $" {other.Value:x} between {Math.Min(other.Zone.FirstEnd, other.Zone.LastStart)} and"
        + $" {Math.Max(other.Zone.FirstEnd, other.Zone.LastStart)}: a write was lost, or a read"
        + " was stale";

    /// <summary>A write and the reads of its value.</summary>
    private readonly record struct Cluster(
        long WriteStart, long FirstEnd, long LastStart, bool Happened, long GoneBy)
    {
        public bool IsForward => FirstEnd < LastStart;

        public static Cluster Of(in BlockOperation write) =>
            new(write.Start, write.End, write.Start, !write.MayBeMissing,
                write.MayBeMissing ? write.End : BlockHistory.Never);

        public Cluster With(in BlockOperation read) => this with
        {
            FirstEnd = Math.Min(FirstEnd, read.End),
            LastStart = Math.Max(LastStart, read.Start),
            Happened = true,
        };
    }
}
