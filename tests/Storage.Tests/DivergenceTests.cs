using StorageOs.Contracts.Runtime;
using StorageOs.Volumes.Core;

namespace StorageOs.Storage.Tests;

/// <summary>S10: the table of histories, cell by cell and over histories that were made up.</summary>
public sealed class DivergenceTests
{
    private const int Seeds = 5_000;

    [Fact]
    public void S10_EveryCellIsInExactlyOneRowAndUnknownStops()
    {
        foreach (bool agrees in new[] { false, true })
        {
            foreach (DiskHistory ours in Enum.GetValues<DiskHistory>())
            {
                foreach (DiskHistory theirs in Enum.GetValues<DiskHistory>())
                {
                    DivergenceRow row = Assert.Single(
                        Divergence.Table, one => one.Covers(agrees, ours, theirs));
                    Assert.Equal(
                        Expected(agrees, ours, theirs), (row.Relation, row.Kind));
                    Assert.NotEqual("", row.Why);
                }
            }
        }

        Assert.All(Divergence.Table, row => Assert.Equal(
            row.Kind == ResyncKind.Stop, row.Relation == Relation.Unknown));
    }

    [Fact]
    public void S10_WhatTheTableHasCopiedIsNeverLessThanWhatDiffers()
    {
        Dictionary<Relation, int> seen = [];
        for (int seed = 0; seed < Seeds; seed++)
        {
            History history = new(seed);
            for (int step = 0; step < 40; step++)
            {
                history.Step(seen, seed);
            }
        }

        Assert.All(
            Enum.GetValues<Relation>().Where(relation => relation != Relation.Unknown),
            relation => Assert.True(seen.GetValueOrDefault(relation) > 100, $"{relation}"));
    }

    private static (Relation, ResyncKind) Expected(
        bool agrees, DiskHistory ours, DiskHistory theirs) => (agrees, ours, theirs) switch
        {
            (false, _, _) => (Relation.Unknown, ResyncKind.Stop),
            (_, DiskHistory.Foreign, _) => (Relation.Unknown, ResyncKind.Stop),
            (_, _, DiskHistory.Foreign) => (Relation.Unknown, ResyncKind.Stop),
            (_, _, DiskHistory.None) => (Relation.Unknown, ResyncKind.Stop),
            (_, DiskHistory.None, _) => (Relation.Unrelated, ResyncKind.Everything),
            (_, DiskHistory.Unchanged, DiskHistory.Unchanged) =>
                (Relation.Equal, ResyncKind.Sample),
            (_, DiskHistory.Changed, DiskHistory.Unchanged) =>
                (Relation.Behind, ResyncKind.Changes),
            (_, DiskHistory.Unchanged, DiskHistory.Changed) => (Relation.Ahead, ResyncKind.Union),
            _ => (Relation.Fork, ResyncKind.Union),
        };

    /// <summary>Two disks of a few granules, their records, and a register.</summary>
    private sealed class History(int seed)
    {
        private const int Count = 12;
        private static readonly Granules Cut = new([(long)Count * Granules.BytesMin]);
        private readonly Random random = new(seed);
        private readonly int[][] disks = [new int[Count], new int[Count]];
        private readonly ChangeRecord[] records = [Paired(1, 2), Paired(2, 1)];
        private ulong term = 1;
        private int owner;
        private bool stale;
        private int last;

        public void Step(Dictionary<Relation, int> seen, int number)
        {
            switch (random.Next(8))
            {
                case 0 when !stale:
                    owner = random.Next(2); // A mark, or a takeover.
                    Alone();
                    break;
                case 1 when stale && random.Next(3) == 0:
                    owner = 1 - owner; // Force.
                    Alone();
                    break;
                case 2 when stale && random.Next(4) == 0:
                    Replace(1 - owner);
                    break;
                case < 5 when stale:
                    Write();
                    break;
                case < 7 when stale:
                    Resync(seen, number);
                    break;
            }
        }

        private static ChangeRecord Paired(ulong disk, ulong partner)
        {
            ChangeRecord record = new(Cut, disk, "");
            record.Close(partner);
            return record;
        }

        private void Alone()
        {
            term++;
            stale = true;
            records[owner].Open(term);
        }

        private void Write()
        {
            int at = random.Next(Count);
            disks[owner][at] = ++last;
            records[owner].Mark(0, (long)at * Granules.BytesMin, 1, mirrored: false);
        }

        /// <summary>The disk of a node that is away is exchanged for an empty one.</summary>
        private void Replace(int node)
        {
            Array.Clear(disks[node]);
            records[node] = new ChangeRecord(Cut, (ulong)(1000 + ++last), "");
        }

        private void Resync(Dictionary<Relation, int> seen, int number)
        {
            ChangeRecord ours = records[owner];
            ChangeRecord theirs = records[1 - owner];
            DivergenceRow row = Divergence.Of(
                true, Divergence.Ours(ours, theirs.DiskId, term),
                Divergence.Theirs(theirs.DiskId, theirs.IsOpen ? theirs.Term : 0, term));
            seen[row.Relation] = seen.GetValueOrDefault(row.Relation) + 1;
            if (row.Kind == ResyncKind.Everything)
            {
                ours.PairAll(theirs.DiskId, row.Why);
            }

            bool ends = random.Next(2) == 0;
            for (int at = 0; at < Count; at++)
            {
                bool union = row.Kind == ResyncKind.Union && theirs.Changed[at];
                bool copies = ours.Changed[at] || union;
                Assert.True(
                    copies || disks[0][at] == disks[1][at],
                    $"seed {number}: granule {at} differs, {row.Relation}");
                if (copies && (ends || random.Next(2) == 0))
                {
                    disks[1 - owner][at] = disks[owner][at];
                }
            }

            if (ends)
            {
                term++;
                stale = false;
                ours.Close(theirs.DiskId);
                theirs.Close(ours.DiskId);
            }
        }
    }
}
