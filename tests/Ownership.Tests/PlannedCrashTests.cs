using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;
using StorageOs.Ownership.Tests.Model;

namespace StorageOs.Ownership.Tests;

/// <summary>
/// S14: each step of a planned takeover is in the register and in a durable intent, so a crash of
/// either node, or of both, between any two things that happen ends in one server that has all.
/// </summary>
public sealed class PlannedCrashTests
{
    private const int MomentsMax = 400;

    [Theory]
    [InlineData("a", false)]
    [InlineData("b", false)]
    [InlineData("a b", false)]
    [InlineData("a", true)]
    [InlineData("b", true)]
    [InlineData("a b", true)]
    public void S14_A_crash_at_any_moment_ends_in_one_server_and_loses_nothing(
        string victims, bool noWitness)
    {
        HashSet<string> lastDone = [];
        int moment = 0;
        while (CrashesAt(moment, victims, noWitness, lastDone))
        {
            moment++;
            Assert.True(moment < MomentsMax, "the takeover does not end");
        }

        // Every step was cut off right after it was begun, at least once.
        foreach (string step in new[]
        {
            "a -> Drain", "a -> swap (Handover)", "a -> BecomePassive", "b -> Fence", "b -> push",
        })
        {
            Assert.Contains(lastDone, done => done.Contains(step, StringComparison.Ordinal));
        }
    }

    /// <summary>One life; false when the takeover had ended before that moment.</summary>
    private static bool CrashesAt(
        int moment, string victims, bool noWitness, HashSet<string> lastDone)
    {
        ModelPair pair = new(1, tell: true, noWitness);
        pair.Register.Faulty = false;
        Array.ForEach(pair.Nodes, static node => node.Start());
        pair.Connect();
        pair.Pass(40);
        Assert.Equal((SyncState.InSync, 1UL), (pair.Entry!.Sync, pair.Entry.Owner));
        pair.Append(pair.Nodes[0]);
        int happened = 0;
        bool crashed = false;
        bool ended = false;
        pair.Between = () =>
        {
            ended |= pair.Nodes[1].Core is { Serves: true };
            if (happened++ == moment && !ended)
            {
                crashed = true;
                Crash(pair, victims, lastDone);
            }
            else if (happened % 9 == 0)
            {
                Array.ForEach(pair.Nodes, pair.Append);
            }
        };
        pair.Nodes[1].Post(new TakeoverAsked(7));
        pair.Pass(40);
        if (!crashed)
        {
            Assert.True(ended, $"moment {moment}: {pair.Story}");
            return false;
        }

        if (!noWitness && victims.Length == 1)
        {
            Assert.True(
                pair.Nodes.Count(static node => node.CanAnswer && node.Core!.Serves) == 1,
                $"moment {moment}: {pair.Story}");
        }

        pair.Between = static () => { };
        pair.Settle(60);
        Assert.True(
            ExplorationTests.Converged(pair) is null
                && !pair.Nodes.Any(static node =>
                    node.Core!.Why.Contains("force", StringComparison.Ordinal)),
            $"moment {moment}: {pair.Story}");
        return true;
    }

    private static void Crash(ModelPair pair, string victims, HashSet<string> lastDone)
    {
        string last = pair.Story.Split('\n').LastOrDefault(
            static line => line.Contains(" -> ", StringComparison.Ordinal)) ?? "";
        _ = lastDone.Add(last);
        foreach (ModelNode node in pair.Nodes)
        {
            if (victims.Contains(node.Name, StringComparison.Ordinal))
            {
                ModelPair.Kill(node);
            }
        }
    }
}
