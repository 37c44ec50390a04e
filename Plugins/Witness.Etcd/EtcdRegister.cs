using System.Diagnostics;
using Google.Protobuf;
using StorageOs.Contracts.Services;
using StorageOs.Witness.Etcd.Wire;

namespace StorageOs.Witness.Etcd;

// A swap is a transaction: if the key is still exactly as it was read, put the next entry, else say
// what it holds. "As it was read" means the same revision, by which nobody has written since, and
// the same value, by which it is the register that was read and not one put back from a backup,
// whose revisions begin again. etcd answers once a majority has the entry on its disks.

/// <summary>One group's entry: a key in etcd, changed by compare-and-swap only.</summary>
internal sealed class EtcdRegister(EtcdSettings settings, GroupId group) : IDisposable
{
    private readonly ByteString key = ByteString.CopyFromUtf8($"{settings.Prefix}/{group}");
    private readonly Members members = new(settings);
    private Found? found;

    /// <summary>What a read found, who answered it, and when.</summary>
    private sealed record Found(
        Member By, RegisterEntry? Entry, long Revision, ByteString Value, long At)
    {
        public ulong Term => Entry?.Term.Value ?? 0;
    }

    /// <summary>Reads the entry as it is now.</summary>
    public async Task<WitnessReading> ReadAsync(CancellationToken cancellation) =>
        (await LookAsync(cancellation)).Reading;

    /// <summary>
    /// Swaps once, at the member that has just answered a read; reads first when none has (S3).
    /// </summary>
    public async Task<SwapOutcome> SwapAsync(RegisterEntry next, CancellationToken cancellation)
    {
        Found? before = Interlocked.Exchange(ref found, null);
        if (before is null || Stopwatch.GetElapsedTime(before.At) > settings.Deadline
            || before.Term != next.Term.Value - 1)
        {
            WitnessReading reading;
            (reading, before) = await LookAsync(cancellation);
            Interlocked.Exchange(ref found, null);
            if (before is null)
            {
                return new SwapOutcome(SwapResult.Undecided, null, reading.Detail);
            }

            if (before.Term != next.Term.Value - 1)
            {
                return Judge(next, before.Entry);
            }
        }

        using CancellationTokenSource limit =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(settings.Deadline);
        Answer<TxnResponse> answer =
            await before.By.SwapAsync(Transaction(before, next), limit.Token);
        if (answer.Value is not { } reply)
        {
            // Refused, lost or late: it may have landed, or may still (S3).
            return new SwapOutcome(SwapResult.Undecided, before.Entry, answer.Why);
        }

        return reply.Succeeded
            ? new SwapOutcome(SwapResult.Won, next)
            : Judge(next, reply);
    }

    /// <inheritdoc/>
    public void Dispose() => members.Dispose();

    private async Task<(WitnessReading Reading, Found? Found)> LookAsync(
        CancellationToken cancellation)
    {
        Interlocked.Exchange(ref found, null);
        (Member? by, Answer<RangeResponse> answer) =
            await members.ReadAsync(new RangeRequest { Key = key }, cancellation);
        if (answer.Value is not { } reply)
        {
            return (new WitnessReading(ReadOutcome.Unavailable, null, answer.Why), null);
        }

        long now = Stopwatch.GetTimestamp();
        if (reply.Kvs.Count == 0)
        {
            Found none = new(by!, null, 0, ByteString.Empty, now);
            found = none;
            return (new WitnessReading(ReadOutcome.Missing, null), none);
        }

        KeyValue pair = reply.Kvs[0];
        if (RegisterText.Decode(pair.Value.Span, group, out string wrong) is not { } entry)
        {
            string detail = $"{key.ToStringUtf8()}: {wrong}";
            return (new WitnessReading(ReadOutcome.Unavailable, null, detail), null);
        }

        Found some = new(by!, entry, pair.ModRevision, pair.Value, now);
        found = some;
        return (new WitnessReading(ReadOutcome.Found, entry), some);
    }

    private TxnRequest Transaction(Found before, RegisterEntry next)
    {
        TxnRequest request = new();
        if (before.Entry is null)
        {
            request.Compare.Add(new Compare
            {
                Key = key,
                Target = Compare.Types.Target.Create,
                CreateRevision = 0,
            });
        }
        else
        {
            request.Compare.Add(new Compare
            {
                Key = key,
                Target = Compare.Types.Target.Mod,
                ModRevision = before.Revision,
            });
            request.Compare.Add(new Compare
            {
                Key = key,
                Target = Compare.Types.Target.Value,
                Value = before.Value,
            });
        }

        ByteString value = UnsafeByteOperations.UnsafeWrap(RegisterText.Encode(next));
        request.Success.Add(new RequestOp
        {
            RequestPut = new PutRequest { Key = key, Value = value },
        });
        request.Failure.Add(new RequestOp { RequestRange = new RangeRequest { Key = key } });
        return request;
    }

    /// <summary>The comparison failed: this request has put nothing and will not.</summary>
    private SwapOutcome Judge(RegisterEntry next, TxnResponse reply)
    {
        if (reply.Responses is not [{ ResponseRange.Kvs: [{ } pair] }])
        {
            return new SwapOutcome(
                SwapResult.Undecided, null, $"{key.ToStringUtf8()}: gone since it was read");
        }

        RegisterEntry? current = RegisterText.Decode(pair.Value.Span, group, out string wrong);
        return current is null
            ? new SwapOutcome(SwapResult.Undecided, null, $"{key.ToStringUtf8()}: {wrong}")
            : Judge(next, current);
    }

    /// <summary>
    /// Decided is only what the entry in place decides: it is of this term or a later one.
    /// </summary>
    private static SwapOutcome Judge(RegisterEntry next, RegisterEntry? current) =>
        current is null || current.Term < next.Term
            ? new SwapOutcome(SwapResult.Undecided, current, WhyNot(next, current))
            : current.Term == next.Term && current.SwapId == next.SwapId
            ? new SwapOutcome(SwapResult.Won, current)
            : new SwapOutcome(SwapResult.Lost, current);

    private static string WhyNot(RegisterEntry next, RegisterEntry? current)
    {
        ulong before = next.Term.Value - 1;
        ulong found = current?.Term.Value ?? 0;
        return found == before
            ? $"another entry of term {before} than the one that was read"
            : $"expected term {before} before the swap, found {found}";
    }
}
