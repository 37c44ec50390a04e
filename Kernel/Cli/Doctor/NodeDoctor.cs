using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Cli.Doctor;

/// <summary>What a running node says of itself: session, beats, witness, takeover.</summary>
internal static class NodeDoctor
{
    /// <summary>Of its status; <c>Unreachable</c> is one that does not run.</summary>
    internal static IEnumerable<Diagnosis> Examine(JsonObject status)
    {
        if ($"{status["phase"]}" == "Unreachable")
        {
            yield return new(
                "node", Verdict.Unknown, "does not answer",
                "start it; session, beats and witness are looked at then");
            yield break;
        }

        yield return Diagnosis.Of(
            "node", $"{status["phase"]}" == "Serving", Verdict.Bad, $"{status["phase"]}",
            "storageos status says what it waits for");
        yield return Session(status["session"]);
        if (status["partner"] is { } partner && partner["beatLimitMs"] is not null)
        {
            yield return Beats(partner);
        }

        if (status["witness"] is JsonObject witness)
        {
            bool good = $"{witness["state"]}" is "Found" or "None";
            yield return Diagnosis.Of(
                "witness", good, Verdict.Bad,
                $"{witness["description"]}: {witness["state"]} {witness["detail"]}".TrimEnd(),
                "bring it back: without it nobody takes over");
        }

        foreach (JsonNode? one in status["takeover"]?["hindrances"] as JsonArray ?? [])
        {
            yield return new(
                $"takeover of {one?["group"]}", Verdict.Bad, $"{one?["what"]}",
                $"{one?["remedy"]}");
        }
    }

    private static Diagnosis Session(JsonNode? session) => Diagnosis.Of(
        "session", $"{session?["state"]}" == "Ready", Verdict.Bad,
        $"{session?["state"]}, {session?["path"]}{session?["reason"]}",
        "storageos timeline says what ended it, and storageos status what it waits for");

    private static Diagnosis Beats(JsonNode partner)
    {
        double gap = partner["largestBeatGapMs"]?.GetValue<double>() ?? 0;
        double limit = partner["beatLimitMs"]!.GetValue<double>();
        return Diagnosis.Of(
            "beats", gap < limit / 2, Verdict.Advice,
            $"the longest gap was {gap} ms of {limit} ms that are allowed",
            "see what kept either machine busy: a longer one ends the session");
    }
}
