using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// The blackboard of one session (S7): each node writes its own page and reads the other's, one
/// read at a time. A failed port ends the session elsewhere; here it only means silence.
/// </summary>
internal sealed class ViewExchange(
    ulong epoch,
    ClientGrant grant,
    IPort port,
    IRemoteMemory theirs,
    IRegion region,
    IReactor reactor)
{
    // The first half is ours to tell, this one to read into.
    private const int LandingOffset = 2048;
    /// <summary>Between two looks while all is well.</summary>
    public static readonly TimeSpan PeriodSteady = TimeSpan.FromMilliseconds(25);
    private readonly Completion[] completions = new Completion[8];
    private readonly byte[] page = new byte[ViewPage.Bytes];
    private IPort port = port;
    private readonly GroupView[] told = new GroupView[GroupId.Count];
    private readonly byte[] found = new byte[ViewPage.Bytes];
    private ViewPage? theirPage;
    private ulong sequence;
    private bool reading;
    private Instant lastRead;

    /// <summary>The port was opened anew.</summary>
    public void UsePort(IPort replacement)
    {
        port = replacement;
        reading = false;
    }

    /// <summary>Writes this node's page when it has changed.</summary>
    /// <param name="views">By group.</param>
    public void Publish(ReadOnlySpan<GroupView> views)
    {
        if (sequence > 0 && views.SequenceEqual(told))
        {
            return;
        }

        views.CopyTo(told);
        new ViewPage(grant.Session, epoch, told).Encode(page, ++sequence);
        page.CopyTo(region.Bytes);
    }

    /// <summary>Takes the read under way, posts the next when due.</summary>
    /// <returns>
    /// The partner's page in this session, the same object as long as it says the same; null when
    /// there is none, or it is torn: it is read again.
    /// </returns>
    public ViewPage? Poll(bool steady)
    {
        ViewPage? read = Take();
        if (!reading && (!steady || reactor.Now - lastRead >= PeriodSteady)
            && port.State == PortState.Open
            && port.TryPostRead(0, region, LandingOffset, theirs, 0, ViewPage.Bytes))
        {
            reading = true;
            lastRead = reactor.Now;
            read = Take() ?? read;
        }

        return read;
    }

    private ViewPage? Take()
    {
        if (!reading || port.Poll(completions) == 0)
        {
            return null;
        }

        reading = false;
        if (completions[0].Status != CompletionStatus.Success)
        {
            return null;
        }

        ReadOnlySpan<byte> landed = region.Bytes.Slice(LandingOffset, ViewPage.Bytes);
        if (theirPage is null || !landed.SequenceEqual(found))
        {
            landed.CopyTo(found);
            ViewPage? read = ViewPage.Decode(found);
            theirPage = read is not null && read.Session == grant.Session
                && read.Epoch == grant.PartnerEpoch ? read : null;
        }

        return theirPage;
    }
}
