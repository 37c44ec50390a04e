// The end that listens: on every path, for its partner alone.
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

internal sealed partial class VerbsWellKnownPort
{
    /// <summary>Listens on every path that works; refuses when none does.</summary>
    private void Listen()
    {
        RefusedException? failed = null;
        foreach (NetworkPath one in paths.DistinctBy(p => p.Local.Address))
        {
            nint id = transport.Cm.Create(owner);
            listeners.Add((id, one));
            try
            {
                CmChannel.Bind(id, one.Local, (ushort)need.LocalPort);
                Native.Success("rdma_listen", RdmaCm.rdma_listen(id, Limits.RequestsWaitingMax));
            }
            catch (RefusedException refused)
            {
                failed = refused;
                listeners.RemoveAt(listeners.Count - 1);
                CmChannel.Destroy(id);
            }
        }

        if (listeners.Count == 0)
        {
            throw failed!;
        }
    }

    private void StopListening()
    {
        nint[] ids = [.. listeners.Select(static one => one.Id)];
        listeners.Clear();
        Cleanup.All(ids.Select(static id => (Action)(() => CmChannel.Destroy(id))));
    }

    private void PollListening()
    {
        if (attempt is not null && Past(attempt.Deadline))
        {
            Detail = $"listening for {path.Partner}; it asked to connect and then said no more";
            Drop();
        }
    }

    private void Listening(CmEvent happened)
    {
        if (happened.Kind == CmEventKind.ConnectRequest)
        {
            Requested(happened);
        }
        else if (attempt is not null && happened.Id == attempt.Id
            && state == WellKnownState.Connecting)
        {
            if (happened.Kind == CmEventKind.Established)
            {
                Finish();
            }
            else
            {
                Detail = $"listening for {path.Partner}; {Why(happened)}";
                Drop();
            }
        }
    }

    /// <summary>
    /// Somebody asks. The newest request of the partner is the one that counts: an earlier one was
    /// given up, or made by a boot that is no more.
    /// </summary>
    private void Requested(CmEvent happened)
    {
        Greeting? theirs = null;
        Refusal? refusal = null;
        NetworkPath? asked = PathOf(happened);
        if (asked is { } known)
        {
            theirs = Greeting.Decode(
                happened.Data, need.PartnerPort, known.Partner!.Value.Node, out refusal);
        }

        if (theirs is not { } good || state != WellKnownState.Connecting)
        {
            Detail = $"listening for {path.Partner}; refused {happened.From}"
                + (refusal is null ? "" : $": {refusal}");
            RefuseRequest(happened);
            return;
        }

        Drop();
        path = asked!.Value;
        attempt = new Attempt(transport, happened.Id, path.Local)
        {
            Deadline = After(Limits.AnswerTime),
        };
        try
        {
            byte[] greeting = attempt.Prepare(need, page, inbox);
            attempt.Join(good, $"{path.Local}<{path.Partner}");
            attempt.Accept(greeting);
        }
        catch (RefusedException refused)
        {
            Detail = $"listening for {path.Partner}; accepting failed: {refused.Message}";
            Drop();
        }
    }

    /// <summary>The path by which the partner asks; null when it is not the partner.</summary>
    private NetworkPath? PathOf(CmEvent happened)
    {
        foreach ((nint id, NetworkPath listened) in listeners)
        {
            if (id != happened.ListenId || happened.From is null)
            {
                continue;
            }

            foreach (NetworkPath one in paths)
            {
                if (one.Local.Address.Equals(listened.Local.Address)
                    && Gid.WithoutScope(one.Partner!.Value.Address)
                        .Equals(Gid.WithoutScope(happened.From)))
                {
                    return one;
                }
            }
        }

        return null;
    }
}
