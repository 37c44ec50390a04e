using Stateless;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;
using StorageOs.Simulator;

namespace StorageOs.Simulation.Tests;

/// <summary>Handshake stories by name; each gives the same transcript from its seed, for ever.</summary>
internal static class Stories
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(2);

    /// <summary>Stories worth reading; their transcripts are files beside this one.</summary>
    public static IReadOnlyDictionary<string, Action<SimulatedPair>> Told { get; } =
        new SortedDictionary<string, Action<SimulatedPair>>(StringComparer.Ordinal)
        {
            ["both-at-once"] = pair => StartBoth(pair),
            ["late-partner"] = pair =>
            {
                Start(pair, pair.A);
                pair.Run(TimeSpan.FromMilliseconds(40));
                Start(pair, pair.B);
                pair.Run(TimeSpan.FromMilliseconds(40));
            },
            ["partner-reboots"] = pair =>
            {
                StartBoth(pair);
                pair.Reboot(pair.B, SimulatedPair.Client("alpha"));
                pair.Run(TimeSpan.FromMilliseconds(60));
            },
            ["partner-pauses-and-wakes"] = pair =>
            {
                StartBoth(pair);
                pair.B.PausedUntil = pair.Now + TimeSpan.FromMilliseconds(80);
                pair.Run(TimeSpan.FromMilliseconds(160));
            },
            ["nothing-answers"] = pair =>
            {
                StartBoth(pair);
                pair.SilentUntil = pair.Now + TimeSpan.FromMilliseconds(80);
                pair.Run(TimeSpan.FromMilliseconds(160));
            },
            ["partner-stops"] = pair =>
            {
                StartBoth(pair);
                pair.B.Deliver(new CcmEvent.BootReached(BootPhase.Stopping));
                pair.Run(TimeSpan.FromMilliseconds(10));
                pair.B.Deliver(new CcmEvent.StopAsked("asked"));
                pair.Run(TimeSpan.FromMilliseconds(10));
            },
            ["late-client"] = pair =>
            {
                pair.Start(pair.A, SimulatedPair.Client("alpha"), SimulatedPair.Client("beta"));
                Start(pair, pair.B);
                pair.Run(TimeSpan.FromMilliseconds(30));
                pair.B.Load(SimulatedPair.Client("beta"));
                pair.Run(TimeSpan.FromMilliseconds(30));
            },
            ["client-leaves-and-returns"] = pair =>
            {
                StartBoth(pair);
                pair.B.Unload("alpha", "asked");
                pair.Run(TimeSpan.FromMilliseconds(20));
                pair.B.Load(SimulatedPair.Client("alpha"));
                pair.Run(TimeSpan.FromMilliseconds(20));
            },
            ["no-common-version"] = pair =>
            {
                pair.B.Versions = (2, 3);
                StartBoth(pair);
            },
        };

    /// <summary>For every state and each way out of it that is not progress: a story that takes it.</summary>
    public static IEnumerable<(string Name, Action<SimulatedPair> Story)> Exits()
    {
        foreach (HandshakeState state in Enum.GetValues<HandshakeState>())
        {
            yield return ($"stop in {state}", p => In(p, state, () => p.A.Deliver(new CcmEvent.StopAsked("asked"))));
            yield return ($"cut in {state}", p => In(p, state, () => Fail(p)));
            yield return ($"pause in {state}", p => In(p, state, () => Pause(p)));
            yield return ($"garbage in {state}", p => In(p, state, () => Garbage(p)));
            yield return ($"stranger in {state}", p => In(p, state, () => p.B.Impersonate(99)));
            yield return ($"word lost in {state}", p => In(p, state, () => p.B.Inbox = 0));
            yield return ($"attempt changed in {state}", p => In(p, state, () => ChangeAttempt(p)));
        }

        yield return ("attempt changed before AwaitConfirmed", p =>
        {
            Start(p, p.A);
            Start(p, p.B);
            _ = p.RunUntil(() => p.A.Core.State == HandshakeState.SecondWrite, Long);
            ChangeAttempt(p);
            p.Run(Long);
        }
        );
        yield return ("cut while watching", p =>
        {
            StartBoth(p);
            Pause(p);
            _ = p.RunUntil(() => p.A.Core.State == HandshakeState.Watching, Long);
            Fail(p);
            p.Run(Long);
        }
        );
        yield return ("stop while watching", p =>
        {
            StartBoth(p);
            Pause(p);
            _ = p.RunUntil(() => p.A.Core.State == HandshakeState.Watching, Long);
            p.A.Deliver(new CcmEvent.StopAsked("asked"));
            p.Run(Long);
        }
        );
        yield return ("stop while refused", p =>
        {
            p.B.Versions = (2, 3);
            StartBoth(p);
            p.A.Deliver(new CcmEvent.StopAsked("asked"));
            p.Run(Long);
        }
        );
        yield return ("refused, then upgraded", p =>
        {
            p.B.Versions = (2, 3);
            StartBoth(p);
            p.B.Versions = (1, 1);
            p.Reboot(p.B, SimulatedPair.Client("alpha"));
            p.Run(TimeSpan.FromSeconds(8));
        }
        );
    }

    /// <summary>Tells a story, perhaps with another table of moves.</summary>
    public static string Tell(
        Action<SimulatedPair> story, Func<StateMachine<HandshakeState, Trigger>>? table = null, ulong seed = 7)
    {
        var pair = new SimulatedPair(seed, table: table);
        try
        {
            story(pair);
        }
        catch (InvariantException broken)
        {
            return pair.Transcript + broken.Message;
        }

        return pair.Transcript;
    }

    private static void Start(SimulatedPair pair, SimulatedNode node) =>
        pair.Start(node, SimulatedPair.Client("alpha"));

    private static void StartBoth(SimulatedPair pair)
    {
        Start(pair, pair.A);
        Start(pair, pair.B);
        pair.Run(TimeSpan.FromMilliseconds(30));
    }

    private static void In(SimulatedPair pair, HandshakeState state, Action action)
    {
        Start(pair, pair.A);
        Start(pair, pair.B);
        _ = pair.RunUntil(() => pair.A.Core.State == state, TimeSpan.FromMilliseconds(50));
        action();
        pair.Run(Long);
    }

    private static void Fail(SimulatedPair pair)
    {
        pair.Cut();
        pair.A.Deliver(new CcmEvent.PortFailed(
            pair.A.Attempt, SessionEndReason.EndpointGone, "cut"));
    }

    private static void Pause(SimulatedPair pair) =>
        pair.B.PausedUntil = pair.Now + TimeSpan.FromMilliseconds(120);

    private static void Garbage(SimulatedPair pair)
    {
        InboxWord word = InboxWord.Unpack(pair.A.Inbox);
        pair.B.PausedUntil = pair.Now + TimeSpan.FromSeconds(30);
        pair.A.Inbox = (word with { Level = word.Level + 50 }).Packed;
        for (int i = 0; i < 1500; i++)
        {
            // Its beat goes on, so that only the garbage can end the session.
            pair.B.Damage(StatusPage.BeatOffset, 1_000_000 + (ulong)i);
            pair.Run(TimeSpan.FromMilliseconds(1));
        }
    }

    private static void ChangeAttempt(SimulatedPair pair)
    {
        StatusWord word = StatusWord.Unpack(pair.B.Word(StatusPage.StatusOffset));
        pair.B.PausedUntil = pair.Now + TimeSpan.FromMilliseconds(15);
        pair.B.Damage(StatusPage.StatusOffset, (word with { Attempt = word.Attempt + 1 }).Packed);
    }
}
