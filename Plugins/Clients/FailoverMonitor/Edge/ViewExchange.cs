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
    private static readonly TimeSpan PeriodSteady = TimeSpan.FromMilliseconds(25);
    private readonly Completion[] completions = new Completion[8];
    private readonly byte[] page = new byte[ViewPage.Bytes];
    private IPort port = port;
    private IReadOnlyList<GroupView> last = [];
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
    public void Publish(IReadOnlyList<GroupView> views)
    {
        if (views.SequenceEqual(last))
        {
            return;
        }

        last = views;
        new ViewPage(grant.Session, epoch, views).Encode(page, ++sequence);
        page.CopyTo(region.Bytes);
    }

    /// <summary>Takes the read under way, posts the next when due.</summary>
    /// <returns>
    /// The partner's page in this session; null when there is none, or it is torn: it is read
    /// again.
    /// </returns>
    public ViewPage? Poll(bool steady)
    {
        ViewPage? found = Take();
        if (!reading && (!steady || reactor.Now - lastRead >= PeriodSteady)
            && port.State == PortState.Open
            && port.TryPostRead(0, region, LandingOffset, theirs, 0, ViewPage.Bytes))
        {
            reading = true;
            lastRead = reactor.Now;
            found = Take() ?? found;
        }

        return found;
    }

    private ViewPage? Take()
    {
        if (!reading || port.Poll(completions) == 0)
        {
            return null;
        }

        reading = false;
        ViewPage? read = completions[0].Status == CompletionStatus.Success
            ? ViewPage.Decode(region.Bytes.Slice(LandingOffset, ViewPage.Bytes))
            : null;
        return read is not null && read.Session == grant.Session
            && read.Epoch == grant.PartnerEpoch ? read : null;
    }
}
