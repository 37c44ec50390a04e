using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>What hinders takeovers, how long one would take, and givebacks, as documents.</summary>
internal static class TakeoverReport
{
    /// <summary>What hinders this node from taking a group over now.</summary>
    public static JsonArray Hindrances(GroupDriver driver)
    {
        JsonArray all = [];
        foreach (Hindrance one in driver.Core.TakeoverHindrances(TimeProvider.System.GetUtcNow()))
        {
            all.Add(new JsonObject
            {
                ["group"] = driver.Group.Value,
                ["code"] = Camel($"{one.Code}"),
                ["what"] = one.What,
                ["ageSeconds"] = (long)one.Age.TotalSeconds,
                ["remedy"] = one.Remedy,
                ["who"] = one.Who.Length > 0 ? one.Who : null,
                ["planned"] = one.OfPlanned,
                ["failover"] = one.OfFailover,
            });
        }

        return all;
    }

    /// <summary>A rehearsal: what would hinder a planned takeover, how long it takes.</summary>
    public static JsonObject Check(GroupDriver driver, bool noWitness)
    {
        JsonArray hindrances = [];
        foreach (JsonNode? one in Hindrances(driver))
        {
            if (one!["planned"]!.GetValue<bool>())
            {
                hindrances.Add(one.DeepClone());
            }
        }

        bool serves = driver.Core.Serves;
        return new JsonObject
        {
            ["group"] = driver.Group.Value,
            ["serves"] = serves,
            ["possible"] = serves || driver.Core.MayTake,
            ["hindrances"] = serves ? [] : hindrances,
            ["predicted"] = serves ? null : Forecast(driver, noWitness),
            ["lastPlanned"] = driver.Planned.Report(),
        };
    }

    /// <summary>What becomes of a group that is away from home; null at home.</summary>
    public static JsonNode? Giveback(GroupDriver driver, string home, Instant now)
    {
        Giveback giveback = driver.Giveback;
        if (giveback.State == GivebackState.None)
        {
            return null;
        }

        double? left = giveback.Until is { } until
            ? Math.Ceiling(Math.Max(0, (until - now).TotalSeconds)) : null;
        return new JsonObject
        {
            ["state"] = Camel($"{giveback.State}"),
            ["home"] = home,
            ["secondsLeft"] = left,
            ["rounds"] = giveback.Rounds,
            ["what"] = Words(driver, home, left),
        };
    }

    /// <summary>Vetoes of this node's own modules.</summary>
    public static JsonArray Vetoes(IReadOnlyList<HandoverVeto> vetoes, DateTimeOffset now)
    {
        JsonArray all = [];
        foreach (HandoverVeto veto in vetoes)
        {
            all.Add(new JsonObject
            {
                ["who"] = veto.Who,
                ["group"] = veto.Group?.Value,
                ["why"] = veto.Why,
                ["since"] = veto.Since.ToString("O"),
                ["ageSeconds"] = Math.Max(0, (long)(now - veto.Since).TotalSeconds),
                ["remedy"] = veto.Remedy,
            });
        }

        return all;
    }

    private static string Words(GroupDriver driver, string home, double? left) =>
        driver.Giveback.State switch
        {
            GivebackState.Off => "no giveback by itself: giveback:afterSeconds is 0",
            GivebackState.Held =>
                "stays: an operator took it here; `giveback` moves it home",
            GivebackState.Latched => $"held off for {left} s, because {home} was lost soon after"
                + $" a giveback {driver.Giveback.Rounds} times; `giveback` moves it home",
            GivebackState.NotInSync => $"giveback waits for both copies to be in sync with {home}",
            GivebackState.Vetoed => "giveback waits for a veto to be withdrawn",
            GivebackState.HomeHindered =>
                $"giveback waits for {home}, whose status says what hinders it",
            GivebackState.Waiting => $"giveback to {home} in {left} s",
            _ => $"offered to {home}, which asks for it within seconds",
        };

    private static JsonObject Forecast(GroupDriver driver, bool noWitness)
    {
        PlannedTimes last = driver.Planned;
        IReadOnlyList<ForecastPart> parts = TakeoverForecast.Of(new ForecastFigures(
            ViewExchange.PeriodSteady + MonitorClient.TickPeriod, MonitorClient.TickPeriod,
            driver.WitnessTook, noWitness, driver.UnflushedBytes,
            last.Ended ? last.Took(PlannedStep.Fenced) : null,
            last.Ended ? last.Took(PlannedStep.Serving) : null,
            last.Ended ? last.Age : TimeSpan.Zero));
        JsonArray madeOf = [];
        foreach (ForecastPart part in parts)
        {
            madeOf.Add(new JsonObject
            {
                ["step"] = part.Step,
                ["ms"] = Ms(part.Time),
                ["from"] = part.From,
                ["clientsWait"] = part.ClientsWait,
            });
        }

        return new JsonObject
        {
            ["totalMs"] = Ms(TakeoverForecast.Sum(parts, clientsWait: false)),
            ["pauseMs"] = Ms(TakeoverForecast.Sum(parts, clientsWait: true)),
            ["madeOf"] = madeOf,
        };
    }

    private static double Ms(TimeSpan time) => Math.Round(time.TotalMilliseconds, 1);

    private static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];
}
