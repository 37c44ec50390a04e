using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Services;
using StorageOs.Witness.Etcd;

namespace StorageOs.Witness.Tests;

/// <summary>Makes witnesses as a configuration makes them.</summary>
internal static class Use
{
    public static EtcdWitness Etcd(string prefix, params string[] addresses) =>
        Etcd(prefix, addresses, ("deadlineMs", "5000"));

    public static EtcdWitness Etcd(
        string prefix, string[] addresses, params (string Key, string? Value)[] more) =>
        new(Settings([("endpoints", string.Join(',', addresses)), ("prefix", prefix), .. more]));

    public static EtcdSettings Settings(params (string Key, string? Value)[] settings) =>
        EtcdSettings.Read(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, s.Value)))
            .Build());

    /// <summary>A refused swap over a gap in the terms names both.</summary>
    public static async Task SaysWhichTermAsync(IWitness witness)
    {
        SwapOutcome outcome =
            await witness.TrySwapAsync(Entries.Group, Entries.Of(2), default);
        Assert.Contains("expected term 1 before the swap, found 0", outcome.Detail);
    }

    /// <summary>
    /// S3, as the ownership core does it: until a read shows the term or a no-op swap on it has
    /// been decided, nothing is known. The entry that then stands.
    /// </summary>
    public static async Task<RegisterEntry> SettleAsync(IWitness witness, ulong term)
    {
        while (true)
        {
            WitnessReading reading = await witness.ReadAsync(Entries.Group, default);
            if (reading.Entry is { } entry && entry.Term.Value >= term)
            {
                return entry;
            }

            if (reading.Outcome == ReadOutcome.Unavailable)
            {
                continue;
            }

            SwapOutcome swap =
                await witness.TrySwapAsync(Entries.Group, Entries.Of(term), default);
            if (swap.Result != SwapResult.Undecided)
            {
                return swap.Current!;
            }
        }
    }
}
