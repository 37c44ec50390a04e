using StorageOs.Contracts.Services;

namespace StorageOs.Ownership.Tests.Model;

/// <summary>
/// A model register as one boot of one node reaches it. What was sent lands whatever becomes of the
/// node; a reply reaches nobody who has died meanwhile, and whoever is paused only afterwards.
/// </summary>
internal sealed class ModelWitness(
    ModelPair pair, ModelNode node, ulong boot, ModelRegister register) : IWitness
{
    public string Description => register == pair.Register ? "here" : "there";

    public ValueTask<WitnessReading> ReadAsync(GroupId group, CancellationToken cancellation)
    {
        TaskCompletionSource<WitnessReading> reply = new();
        register.Read(reading => Deliver(() => reply.SetResult(reading)));
        return new ValueTask<WitnessReading>(reply.Task);
    }

    public ValueTask<SwapOutcome> TrySwapAsync(
        GroupId group, RegisterEntry next, CancellationToken cancellation)
    {
        TaskCompletionSource<SwapOutcome> reply = new();
        register.Swap(next, outcome => Deliver(() => reply.SetResult(outcome)));
        return new ValueTask<SwapOutcome>(reply.Task);
    }

    public void Dispose()
    {
    }

    private void Deliver(Action reply) => pair.Later(() =>
    {
        if (!node.IsIn(boot))
        {
            return;
        }

        if (node.Paused)
        {
            Deliver(reply);
        }
        else
        {
            reply();
        }
    });
}

/// <summary>A witness as a planted bug sees it.</summary>
internal sealed class MistakenWitness(
    IWitness inner,
    Func<WitnessReading, WitnessReading> reads,
    Func<RegisterEntry, bool>? pretends = null) : IWitness
{
    private RegisterEntry? pretended;

    public string Description => inner.Description;

    public async ValueTask<WitnessReading> ReadAsync(
        GroupId group, CancellationToken cancellation)
    {
        WitnessReading reading = await inner.ReadAsync(group, cancellation).ConfigureAwait(false);
        return reads(pretended is null ? reading : reading with { Entry = pretended });
    }

    public ValueTask<SwapOutcome> TrySwapAsync(
        GroupId group, RegisterEntry next, CancellationToken cancellation)
    {
        if (pretends?.Invoke(next) != true)
        {
            return inner.TrySwapAsync(group, next, cancellation);
        }

        pretended = next;
        return ValueTask.FromResult(new SwapOutcome(SwapResult.Won, next));
    }

    public void Dispose() => inner.Dispose();
}
