using StorageOs.Contracts.Runtime;

namespace Sample.KeyValue;

/// <summary>How a node's map stands to its partner's.</summary>
internal enum MapState
{
    /// <summary>The partner, or its client, is not there.</summary>
    Apart,

    /// <summary>It is there; who has what is being found out, or copied.</summary>
    Meeting,

    /// <summary>Both have the same, and the leader takes writes.</summary>
    Together,

    /// <summary>Neither map continues the other: an operator chooses.</summary>
    Differing,
}

/// <summary>What became of a write: whether its key was there before, or why it was not made.
/// </summary>
internal readonly record struct Outcome(bool Existed, string? Error);

/// <summary>Who this node is, and what it may do.</summary>
/// <param name="Leads">Whether it orders the writes while both are there.</param>
/// <param name="Partner">The partner's name.</param>
/// <param name="GoesAlone">Whether it goes on without it.</param>
/// <param name="BytesMax">The most bytes of keys and values.</param>
internal sealed record Role(bool Leads, string Partner, bool GoesAlone, long BytesMax);

/// <summary>
/// Decides what a node does with its map: told of sessions, frames and writes, it changes the map
/// and says what to send. The leader sends a write first, and makes it once the follower's memory
/// has it; so the follower's map is the leader's or continues it. Knows neither clock nor port.
/// </summary>
/// <param name="store">The map.</param>
/// <param name="role">Who this node is.</param>
/// <param name="newReign">Draws the id of a reign.</param>
/// <param name="send">Sends a frame to the twin, in order.</param>
internal sealed class Replica(Store store, Role role, Func<ulong> newReign, Action<Frame> send)
{
    public const int PendingMax = 4096;
    private const int BytesPerKey = 32;
    private readonly Queue<(Frame Write, Action<Outcome> Answer)> pending = new();
    private IReadOnlyList<Frame> limbo = [];
    private History sent = History.Empty;
    private long pendingBytes;
    private ulong reign;

    // Whether it has all that the twin can have, but for what is in limbo: it may go on alone.
    private bool joined;

    public MapState State { get; private set; }

    /// <summary>For people.</summary>
    public string Why { get; private set; } = "";

    /// <summary>Told before the map is replaced by one that does not continue it.</summary>
    public Action Dropping { get; set; } = static () => { };

    /// <summary>Told when the state has changed.</summary>
    public Action Changed { get; set; } = static () => { };

    public bool Leads => role.Leads;

    /// <summary>Whether a write would be made now, if there is room for it.</summary>
    public bool TakesWrites =>
        MayNotServe() is null && MayNotWrite(FrameKind.Delete, "", []) is null;

    /// <summary>What a key and its value count.</summary>
    public static long BytesOf(string key, byte[] value) =>
        BytesPerKey + key.Length + value.Length;

    /// <summary>The node has started; the partner was not met.</summary>
    public void Begin()
    {
        (reign, joined) = (newReign(), store.MayGoAlone);
        Stand(MapState.Apart, $"{role.Partner} was not met yet");
    }

    /// <summary>The twin is there.</summary>
    public void Meet()
    {
        Stand(MapState.Meeting, $"{role.Partner} is asked what it has");
        SayHello();
    }

    /// <summary>The twin is lost; what it had sent was taken.</summary>
    public void Lose(string why)
    {
        if (State is MapState.Apart)
        {
            return;
        }

        if (State is MapState.Together)
        {
            limbo = [.. pending.Select(static each => each.Write)];
        }

        reign = newReign();
        store.MayGoAlone = joined && role.GoesAlone && limbo.Count == 0; // In its next life, too.
        Stand(MapState.Apart, why);
        while (pending.TryDequeue(out (Frame Write, Action<Outcome> Answer) each))
        {
            each.Answer(new(
                false, $"UNKNOWN {role.Partner} was lost meanwhile: it may be kept or not"));
        }

        pendingBytes = 0;
    }

    /// <summary>Makes a write, or says why not.</summary>
    public void Write(FrameKind kind, string key, byte[] value, Action<Outcome> answer)
    {
        if ((MayNotServe() ?? MayNotWrite(kind, key, value)) is { } error)
        {
            answer(new(false, error));
            return;
        }

        if (State is MapState.Apart)
        {
            GoAlone();
            answer(new(store.Apply(Next(store.History, kind, key, value)), null));
            return;
        }

        Frame write = Next(sent, kind, key, value);
        sent = sent.Then(reign);
        pending.Enqueue((write, answer));
        pendingBytes += BytesOf(key, value);
        send(write);
    }

    /// <summary>The oldest write that was sent is in the twin's memory.</summary>
    public void Landed()
    {
        if (pending.TryDequeue(out (Frame Write, Action<Outcome> Answer) each))
        {
            pendingBytes -= BytesOf(each.Write.Key, each.Write.Value);
            each.Answer(new(store.Apply(each.Write), null));
        }
    }

    /// <summary>Why nothing is answered, not even what is read; null when it is.</summary>
    public string? MayNotServe() => State is MapState.Differing
        ? $"DIFFERS {Why}; an operator has to choose a node by \"keyvalue keep\"" : null;

    /// <summary>Takes a frame of the twin.</summary>
    /// <returns>What is wrong with it; null when nothing is.</returns>
    public string? Take(Frame frame)
    {
        switch (frame.Kind)
        {
            case FrameKind.Hello when State is MapState.Meeting
                && History.Of(frame.Count, frame.Value) is { } theirs:
                Compare(theirs);
                return null;
            case FrameKind.Joined when role.Leads && State is MapState.Meeting
                && frame.Count == store.History.Count:
                (sent, reign) = (store.History, newReign());
                Join();
                return null;
            case FrameKind.Differs when State is MapState.Meeting or MapState.Differing:
                Differ($"the map of {role.Partner} has another past");
                return null;
            case FrameKind.Copy or FrameKind.Entry or FrameKind.Copied
                when State is MapState.Meeting:
            case FrameKind.CopyOver when State is MapState.Differing or MapState.Meeting:
                return TakeCopy(frame);
            case FrameKind.Set or FrameKind.Delete when State is MapState.Together && !role.Leads
                && frame.Count == store.History.Count + 1:
                _ = store.Apply(frame);
                return null;
            case FrameKind.Heard:
                return null;
            default:
                return $"{frame.Kind} {frame.Count} while this node is {State} "
                    + $"at {store.History.Count}";
        }
    }

    /// <summary>Takes a write that an earlier life of this process was sent and did not make.
    /// </summary>
    public void TakeLeft(Frame frame)
    {
        if (frame.IsWrite && frame.Count == store.History.Count + 1)
        {
            _ = store.Apply(frame);
        }
    }

    /// <summary>An operator has chosen the map of this node.</summary>
    public void Keep()
    {
        switch (State)
        {
            case MapState.Differing:
                Stand(MapState.Meeting, "an operator has chosen the map of this node");
                SendCopy(FrameKind.CopyOver);
                break;
            case MapState.Apart when role.GoesAlone:
                store.MayGoAlone = joined = true;
                Stand(MapState.Apart, "an operator has chosen the map of this node");
                break;
            default:
                throw new RefusedException(new(
                    "keyvalue keep", "maps that differ, or a node alone that may go on so",
                    $"{State}: {Why}",
                    State is MapState.Apart ? "set withoutPartner to alone" : ""));
        }
    }

    private string? MayNotWrite(FrameKind kind, string key, byte[] value) => State switch
    {
        MapState.Meeting => $"NOTREADY {Why}",
        MapState.Together when !role.Leads => $"READONLY {role.Partner} takes writes",
        MapState.Together when pending.Count == PendingMax => "BUSY too many writes at once",
        MapState.Apart when !role.GoesAlone => $"NOREPLICAS {Why}",
        MapState.Apart when !joined =>
            $"NOREPLICAS {Why}; {role.Partner} may have later writes",
        _ when kind is FrameKind.Set && store.LiveBytes + pendingBytes + BytesOf(key, value)
            > role.BytesMax => $"OOM maxBytes is {role.BytesMax}",
        _ => null,
    };

    private Frame Next(History after, FrameKind kind, string key, byte[] value) =>
        new(kind, after.Count + 1, reign, key, value);

    /// <summary>What was on its way may have arrived: it comes first, so the twin's map, whatever
    /// it has of that, is continued.</summary>
    private void GoAlone()
    {
        store.Taken = 0;
        foreach (Frame write in limbo)
        {
            _ = store.Apply(write);
        }

        limbo = [];
        store.MayGoAlone = true;
    }

    private void SayHello() =>
        send(new(FrameKind.Hello, store.History.Count, store.History.ToBytes()));

    private void Compare(History theirs)
    {
        (bool ours, bool itsOwn) = (store.History.Holds(theirs), theirs.Holds(store.History));
        limbo = [];
        send(new(FrameKind.Heard));
        store.MayGoAlone = false; // From here on it may be the twin that goes on without us.
        if (ours && itsOwn)
        {
            Follow();
        }
        else if (ours)
        {
            SendCopy(FrameKind.Copy);
        }
        else if (itsOwn)
        {
            joined = false;
            Stand(MapState.Meeting, $"{role.Partner} sends its {theirs.Count} writes");
        }
        else
        {
            Differ(
                $"the {theirs.Count} writes of {role.Partner} do not continue the "
                + $"{store.History.Count} of this node, nor the other way round");
            send(new(FrameKind.Differs));
        }
    }

    private string? TakeCopy(Frame frame)
    {
        if (frame.Kind is FrameKind.CopyOver)
        {
            Dropping();
            Stand(MapState.Meeting, $"an operator has chosen the map of {role.Partner}");
        }

        if (!store.TakeCopy(frame))
        {
            return $"{frame.Kind} {frame.Count}, which no map can have";
        }

        if (frame.Kind is FrameKind.Copied && role.Leads)
        {
            SayHello();
        }
        else if (frame.Kind is FrameKind.Copied)
        {
            Follow();
        }

        return null;
    }

    private void SendCopy(FrameKind kind)
    {
        foreach (Frame frame in store.Copy(kind))
        {
            send(frame);
        }
    }

    /// <summary>Both have the same: the follower is the first to know.</summary>
    private void Follow()
    {
        if (!role.Leads)
        {
            Join();
            send(new(FrameKind.Joined, store.History.Count));
        }
    }

    private void Differ(string why)
    {
        joined = store.MayGoAlone = false;
        Stand(MapState.Differing, why);
    }

    private void Join()
    {
        joined = true;
        Stand(
            MapState.Together,
            role.Leads ? "this node takes writes" : $"{role.Partner} takes writes");
    }

    private void Stand(MapState now, string why)
    {
        (State, Why) = (now, why);
        Changed();
    }
}
