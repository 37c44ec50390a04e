// The end that connects: one attempt after the other, along one path after the other.
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

internal sealed partial class VerbsWellKnownPort
{
    private void PollConnecting()
    {
        if (attempt is null)
        {
            if (Past(retryAt))
            {
                Try(Begin);
            }
        }
        else if (Past(attempt.Deadline))
        {
            GiveUp("no answer");
        }
    }

    private void Begin()
    {
        HardwareAddress partner = path.Partner!.Value;
        attempt = new Attempt(transport, transport.Cm.Create(owner), path.Local)
        {
            Deadline = After(Limits.AnswerTime),
        };
        SocketAddress6 from = SocketAddress6.Of(path.Local.Address, 0);
        SocketAddress6 to = SocketAddress6.Of(partner.Address, (ushort)need.PartnerPort);
        Native.Success(
            $"rdma_resolve_addr of {partner}",
            RdmaCm.rdma_resolve_addr(attempt.Id, ref from, ref to, Limits.ResolveTimeMs));
    }

    private void Connecting(CmEvent happened)
    {
        if (attempt is null || happened.Id != attempt.Id || state != WellKnownState.Connecting)
        {
            RefuseRequest(happened);
            return;
        }

        switch (happened.Kind)
        {
            case CmEventKind.AddressResolved:
                Try(() => Native.Success(
                    "rdma_resolve_route",
                    RdmaCm.rdma_resolve_route(attempt.Id, Limits.ResolveTimeMs)));
                break;
            case CmEventKind.RouteResolved:
                Try(() =>
                {
                    attempt.Deadline = After(Limits.AnswerTime);
                    attempt.Connect(attempt.Prepare(need, page, inbox));
                });
                break;
            case CmEventKind.ConnectResponse:
                Try(() => Answered(happened));
                break;
            default:
                GiveUp(Why(happened));
                break;
        }
    }

    private void Answered(CmEvent happened)
    {
        Greeting? theirs = Greeting.Decode(
            happened.Data, need.PartnerPort, path.Partner!.Value.Node, out Refusal? refusal);
        if (theirs is null)
        {
            throw new RefusedException(refusal!);
        }

        attempt!.Join(theirs.Value, $"{path.Local}>{path.Partner}");
        Native.Success("rdma_establish", RdmaCm.rdma_establish(attempt.Id));
        Finish();
    }

    /// <summary>A step that may be refused; the attempt is then given up.</summary>
    private void Try(Action step)
    {
        try
        {
            step();
        }
        catch (RefusedException refused)
        {
            GiveUp(refused.Message);
        }
    }

    private void GiveUp(string why)
    {
        Detail = $"connecting by {path.Local}>{path.Partner} port {need.PartnerPort}: {why}";
        Drop();
        path = paths[++transport.FirstPath % paths.Count];
        retryAt = After(pause * (0.5 + Random.Shared.NextDouble()));
        pause = pause * 2 < Limits.RetryMost ? pause * 2 : Limits.RetryMost;
    }
}
