using StorageOs.Contracts.Runtime;
using StorageOs.Volumes.Core;

namespace StorageOs.Storage.Tests;

/// <summary>S10, S11: what a resync copies and compares, and at what pace.</summary>
public sealed class CopyPlanTests
{
    private const long GranuleBytes = Granules.BytesMin;
    private static readonly Granules Cut = new([(200 * GranuleBytes) + 4096, 300 * GranuleBytes]);

    [Theory]
    [InlineData(1 << 20)]
    [InlineData(28 << 10)]
    public void S11_APlanMakesEqualWhatWasRecordedAndComparesIt(int piece)
    {
        for (int seed = 0; seed < 200; seed++)
        {
            Random random = new(seed);
            (ChangeRecord record, bool[] theirs) = MadeUp(random);
            HashSet<int> differs = [.. Changed(record).Where(i => !record.Copied[i])];
            HashSet<int> doubtful = [.. Changed(record).Where(i => record.Copied[i])];
            differs.UnionWith(doubtful.Where(_ => random.Next(2) == 0));
            bool ask = random.Next(2) == 0;
            for (int i = 0; ask && i < theirs.Length; i++)
            {
                _ = theirs[i] && differs.Add(i);
            }

            CopyPlan plan = new(record, ask, new VerifySample((ulong)seed, Cut.Count, 1), piece);
            Run(plan, differs, theirs, new HashSet<int>());
            Assert.Empty(differs);
            Assert.Equal(0, plan.Surprises);
            Assert.False(plan.Widened);
            Assert.Equal(plan.CopyTotal, plan.CopyDone);
            Assert.Equal(plan.CompareTotal, plan.CompareDone);
            Assert.True(plan.CompareDone >= plan.CopyDone);
            Assert.True(plan.CompareDone < Cut.TotalBytes || record.Changed.Count > 400);
        }
    }

    [Fact]
    public void S11_AChangeThatTheRecordLostIsFoundByTheSampleAndThenAllAre()
    {
        int found = 0;
        for (int seed = 0; seed < 300; seed++)
        {
            ChangeRecord record = Opened();
            record.Mark(0, 0, 1, mirrored: false);
            HashSet<int> differs = [0, 17, 18, 90, 240, 444]; // All but one were lost.
            CopyPlan plan = new(record, false, new VerifySample((ulong)seed, Cut.Count, 10), 1 << 20);
            Run(plan, differs, [], new HashSet<int>());
            found += plan.Widened ? 1 : 0;
            Assert.Equal(plan.Widened, differs.Count == 0);
            Assert.True(!plan.Widened || plan.Surprises > 0);
        }

        Assert.InRange(found, 60, 290); // Five granules at one in ten.
    }

    /// <summary>
    /// An answer may come while the next extent is being read: what lies before that must be
    /// compared all the same.
    /// </summary>
    [Fact]
    public void S11_AWideningWhileAnExtentIsReadSkipsNothing()
    {
        for (int seed = 0; seed < 100; seed++)
        {
            ChangeRecord record = Opened();
            record.Mark(0, 0, 1, mirrored: false);
            CopyPlan plan = new(record, false, new VerifySample((ulong)seed, Cut.Count, 10), 1 << 20);
            HashSet<int> compared = [];
            Extent? asked = null;
            while (plan.Next(out Extent next))
            {
                if (asked is { } earlier && !plan.Widened)
                {
                    Assert.True(plan.TakeAnswer(earlier, yes: true));
                    if (plan.Widened)
                    {
                        compared.Clear();
                    }
                }

                plan.Took(next, next.Length);
                int first = Cut.At(next.Volume, next.Offset);
                int last = Cut.At(next.Volume, next.Offset + next.Length - 1);
                compared.UnionWith(next.Step == CopyStep.Copy
                    ? [] : Enumerable.Range(first, last - first + 1));
                asked = next.Step == CopyStep.Compare && first > 0 ? next : asked;
            }

            Assert.True(plan.Widened);
            Assert.Equal(Cut.Count, compared.Count);
        }
    }

    [Fact]
    public void S11_AnExtentThatDiffersHoweverOftenItIsCopiedEndsTheResync()
    {
        ChangeRecord record = Opened();
        record.Mark(0, 0, 1, mirrored: false);
        CopyPlan plan = new(record, false, new VerifySample(1, Cut.Count, 0), 1 << 20);
        Assert.False(Run(plan, [0], [], [0]));
        Assert.Equal(CopyPlan.RepairsMax + 1, plan.Mismatches);
    }

    [Fact]
    public void TheSampleTakesItsShareAndAnotherSeedTakesOthers()
    {
        VerifySample one = new(1, 1_000_000, 2);
        VerifySample other = new(2, 1_000_000, 2);
        int[] taken = [.. Enumerable.Range(0, 1_000_000).Where(i => one.Takes(i))];
        Assert.InRange(taken.Length, 19_000, 21_000);
        Assert.InRange(taken.Count(i => other.Takes(i)), 200, 600);
        VerifySample small = new(1, 20, 0);
        Assert.All(Enumerable.Range(0, 20), i => Assert.True(small.Takes(i)));
    }

    [Fact]
    public void TheCopyYieldsToClientsAndSaysHowLongIsLeft()
    {
        CopyPace pace = new(100_000_000, 10_000_000);
        Instant now = new(1_000_000_000);
        long Taken(bool clients)
        {
            long taken = 0;
            for (int i = 0; i < 1000; i++)
            {
                now += TimeSpan.FromMilliseconds(1);
                if (clients)
                {
                    pace.NoteClient(now);
                }

                while (pace.MayTake(now))
                {
                    pace.Took(50_000, 50_000, now);
                    taken += 50_000;
                }
            }

            return taken;
        }

        Assert.Null(pace.TimeFor(1));
        Assert.InRange(Taken(false), 99_000_000, 103_000_000);
        Assert.InRange(Taken(true), 9_000_000, 13_000_000);
        Assert.InRange(Taken(true), 9_000_000, 11_000_000);
        _ = Taken(true) + Taken(true); // What the rate is measured over.
        Assert.InRange(pace.TimeFor(10_000_000)!.Value.TotalSeconds, 0.8, 1.3);
        Assert.InRange(Taken(false), 94_000_000, 103_000_000);
    }

    private static ChangeRecord Opened()
    {
        ChangeRecord record = new(Cut, 1, "");
        record.Open(1);
        return record;
    }

    private static IEnumerable<int> Changed(ChangeRecord record) =>
        Enumerable.Range(0, Cut.Count).Where(i => record.Changed[i]);

    private static (ChangeRecord, bool[]) MadeUp(Random random)
    {
        ChangeRecord record = Opened();
        for (int i = random.Next(20); i > 0; i--)
        {
            long at = random.NextInt64(290 * GranuleBytes);
            record.Mark(1, at, random.Next(1, 500_000), mirrored: false);
            record.Mark(0, random.Next(4000), 50_000, mirrored: random.Next(2) == 0);
            record.TakeCopied(1, random.Next(200) * GranuleBytes, 20 * GranuleBytes);
        }

        bool[] theirs = new bool[Cut.Count];
        for (int i = random.Next(9); i > 0; i--)
        {
            theirs[random.Next(theirs.Length)] = true;
        }

        return (record, theirs);
    }

    /// <summary>Plays the partner; some answers come late. Granules that spoil never take a
    /// copy.</summary>
    private static bool Run(
        CopyPlan plan, HashSet<int> differs, bool[] theirs, HashSet<int> spoil)
    {
        Queue<(Extent Extent, bool Yes)> answers = new();
        for (int step = 0; step < 100_000; step++)
        {
            if (!plan.Next(out Extent next))
            {
                if (answers.Count == 0)
                {
                    return true;
                }
            }
            else
            {
                int first = Cut.At(next.Volume, next.Offset);
                int[] within = [.. Enumerable.Range(
                    first, Cut.At(next.Volume, next.Offset + next.Length - 1) - first + 1)];
                plan.Took(next, next.Length);
                if (next.Step is CopyStep.Copy or CopyStep.Repair)
                {
                    differs.ExceptWith(within.Except(spoil));
                }

                if (next.Step != CopyStep.Copy)
                {
                    answers.Enqueue((next, within.Any(
                        i => next.Step == CopyStep.Ask ? theirs[i] : differs.Contains(i))));
                }
            }

            if (answers.Count > 20 || (answers.Count > 0 && !plan.Next(out _)))
            {
                (Extent extent, bool yes) = answers.Dequeue();
                if (!plan.TakeAnswer(extent, yes))
                {
                    return false;
                }
            }
        }

        throw new InvalidOperationException("does not end");
    }
}
