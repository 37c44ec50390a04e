using StorageOs.FailoverMonitor.Core;

namespace StorageOs.Ownership.Tests.Model;

/// <summary>Events and effects as a person reads them.</summary>
internal static class Transcript
{
    public static string Of(GroupEvent input) => input switch
    {
        SessionUp => "session up",
        SessionLost lost => $"session lost: {lost.Reason}",
        ReadDone read => $"register: {read.Reading.Outcome}{Of(read.Reading.Entry)}",
        SwapDone swap => $"swap: {swap.Outcome.Result}{Of(swap.Outcome.Current)}",
        PartnerRecordDone read => $"record of the dead: {read.Reading.Outcome}"
            + (read.Reading.Entry is null ? $", {read.Reading.Detail}" : Of(read.Reading.Entry)),
        LogDone done => done.Ok ? "done" : "failed",
        _ => input.GetType().Name,
    };

    public static string Of(GroupEffect effect) => effect switch
    {
        Swap swap => $"swap ({swap.Memory.Intent}) to{Of(swap.Next)}",
        Push push => push.Format ? "push, made anew" : "push",
        ServeAlone alone => $"serve alone, term {alone.Term}",
        ServeWithPartner with => $"serve with partner, term {with.Term}, "
            + (with.AcknowledgeOnBoth ? "mirrored" : "resyncing"),
        _ => effect.GetType().Name,
    };

    private static string Of(Contracts.Services.RegisterEntry? entry) => entry is null
        ? ""
        : $" term {entry.Term}, owner {(entry.Owner == 1 ? "a" : "b")}, {entry.Sync}"
          + (entry.StaleNode == 0 ? "" : entry.StaleNode == 1 ? "(a)" : "(b)");
}
