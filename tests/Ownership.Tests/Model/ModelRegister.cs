using StorageOs.Contracts.Services;

namespace StorageOs.Ownership.Tests.Model;

/// <summary>A register whose operations land late, and whose replies may be lost.</summary>
internal sealed class ModelRegister(Random random)
{
    private readonly List<Pending> pending = [];

    public RegisterEntry? Entry { get; private set; }

    /// <summary>While false nothing is answered; what was sent may still land.</summary>
    public bool Answers { get; set; } = true;

    /// <summary>While true, replies get lost.</summary>
    public bool Faulty { get; set; } = true;

    public void Read(Action<WitnessReading> reply) => pending.Add(new Pending(null, reply, null));

    public void Swap(RegisterEntry next, Action<SwapOutcome> reply) =>
        pending.Add(new Pending(next, null, reply));

    /// <summary>Somebody else's swap, such as a forced one.</summary>
    public void Replace(RegisterEntry next) => Entry = next;

    public bool HasWork => pending.Count > 0;

    /// <summary>Lets one operation, of whoever's choosing, go one step further.</summary>
    public void Advance()
    {
        if (pending.Count == 0)
        {
            return;
        }

        int index = random.Next(pending.Count);
        Pending one = pending[index];
        if (Faulty && one.Swapped is not null && random.Next(6) == 0)
        {
            // The reply is lost, and the swap itself lands later.
            one.Swapped(new SwapOutcome(SwapResult.Undecided, null, "no reply"));
            pending[index] = one with { Swapped = null };
            return;
        }

        if (Faulty && random.Next(3) == 0)
        {
            return;
        }

        pending.RemoveAt(index);
        if (one.Next is RegisterEntry next)
        {
            Land(one, next);
        }
        else
        {
            one.Read!(!Answers || (Faulty && random.Next(8) == 0)
                ? new WitnessReading(ReadOutcome.Unavailable, null, "no answer")
                : Entry is null
                    ? new WitnessReading(ReadOutcome.Missing, null)
                    : new WitnessReading(ReadOutcome.Found, Entry));
        }
    }

    private void Land(Pending one, RegisterEntry next)
    {
        bool won = (Entry?.Term.Value ?? 0) + 1 == next.Term.Value;
        Entry = won ? next : Entry;
        bool lost = !Answers || (Faulty && random.Next(5) == 0);
        one.Swapped?.Invoke(
            lost ? new SwapOutcome(SwapResult.Undecided, null, "the reply was lost")
            : won ? new SwapOutcome(SwapResult.Won, next)
            : new SwapOutcome(SwapResult.Lost, Entry));
    }

    private sealed record Pending(
        RegisterEntry? Next, Action<WitnessReading>? Read, Action<SwapOutcome>? Swapped);
}
