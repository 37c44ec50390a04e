using StorageOs.Contracts.Services;

namespace StorageOs.NvramMirror;

/// <summary>
/// The traced writes whose records are not acknowledged yet, oldest first. There are none nearly
/// always, and then a step costs one look at <see cref="Any"/>. Reactor thread only.
/// </summary>
internal sealed class FollowedWrites
{
    private const int Max = 256;
    private readonly Followed[] writes = new Followed[Max];
    private uint oldest;
    private uint next;

    private enum Stage : byte
    {
        Appended,
        Published,
        Posted,
        AtPartner,
    }

    /// <summary>Whether there is any.</summary>
    public bool Any => oldest != next;

    /// <summary>Follows one more; one too many is not followed.</summary>
    public void Add(WriteTrace trace, ulong lsn)
    {
        if (next - oldest < Max)
        {
            writes[next++ % Max] = new Followed(trace, lsn, Stage.Appended);
        }
    }

    /// <summary>The owner's copy says that the records before this one are in it.</summary>
    public void Published(ulong upTo) =>
        Reach(upTo, Stage.Published, "published in the local log");

    /// <summary>Records and the tail behind them have been posted.</summary>
    public void Posted(ulong upTo) => Reach(upTo, Stage.Posted, "posted to the partner");

    /// <summary>The partner's copy has them.</summary>
    public void AtPartner(ulong upTo) => Reach(upTo, Stage.AtPartner, "partner acknowledged");

    /// <summary>What was under way to the partner is not any more; it may be sent again.</summary>
    public void PartnerLost()
    {
        for (uint at = oldest; at != next; at++)
        {
            ref Followed write = ref writes[at % Max];
            if (write.Stage == Stage.Posted)
            {
                write.Trace.Mark("partner lost");
                write.Stage = Stage.Published;
            }
        }
    }

    /// <summary>They waited for the register to say who goes on, and do not any more.</summary>
    public void Thawed()
    {
        for (uint at = oldest; at != next; at++)
        {
            writes[at % Max].Trace.Mark("waited while frozen");
        }
    }

    /// <summary>Records up to there are acknowledged: the log has no more to say of them.</summary>
    public void Acknowledged(ulong upTo)
    {
        while (Any && writes[oldest % Max].Lsn <= upTo)
        {
            writes[oldest++ % Max] = default;
        }
    }

    /// <summary>Forgets all: whoever waits for them is told that they are dropped.</summary>
    public void Clear()
    {
        Array.Clear(writes);
        oldest = next;
    }

    private void Reach(ulong upTo, Stage stage, string step)
    {
        for (uint at = oldest; at != next && writes[at % Max].Lsn <= upTo; at++)
        {
            ref Followed write = ref writes[at % Max];
            if (write.Stage < stage)
            {
                write.Stage = stage;
                write.Trace.Mark(step);
            }
        }
    }

    private record struct Followed(WriteTrace Trace, ulong Lsn, Stage Stage);
}
