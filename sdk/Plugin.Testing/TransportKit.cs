using StorageOs.Conformance;
using StorageOs.Contracts.Transports;

namespace StorageOs.Plugin.Testing;

/// <summary>
/// What every transport does, bad flows included: each case on two new ends. Derive and say how
/// these are made; <see cref="ProviderPair"/> makes them with a provider.
/// </summary>
public abstract class TransportKit
{
    /// <summary>The cases' names.</summary>
    public static TheoryData<string> Cases => [.. TransportConformance.Cases.Keys];

    /// <summary>Two open transports that can reach each other; disposed after the case.</summary>
    protected abstract ITransportPair Open();

    /// <summary>One case.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void Conforms(string name)
    {
        using ITransportPair pair = Open();
        TransportConformance.Run(name, pair);
    }
}

/// <summary>Two ends of a provider's transport on this machine.</summary>
public sealed class ProviderPair : ITransportPair
{
    private readonly TransportSelfTest ends;

    /// <summary>Opens both.</summary>
    /// <param name="provider">The provider.</param>
    /// <param name="ends">
    /// How they reach each other; its <see cref="ITransportProvider.SelfTest"/> may say.
    /// </param>
    public ProviderPair(ITransportProvider provider, TransportSelfTest ends)
    {
        ArgumentNullException.ThrowIfNull(provider);
        ArgumentNullException.ThrowIfNull(ends);
        this.ends = ends;
        First = provider.Open(ends.First, static () => { });
        Second = provider.Open(ends.Second, static () => { });
    }

    /// <inheritdoc/>
    public ITransport First { get; }

    /// <inheritdoc/>
    public ITransport Second { get; }

    /// <inheritdoc/>
    public string FirstAddress => ends.First.LocalAddress;

    /// <inheritdoc/>
    public string SecondAddress => ends.Second.LocalAddress;

    /// <inheritdoc/>
    public string UnknownAddress => ends.UnknownAddress;

    /// <inheritdoc/>
    public uint FirstPort => ends.FirstPort;

    /// <inheritdoc/>
    public uint SecondPort => ends.SecondPort;

    /// <summary>It takes a real process.</summary>
    public bool TryBreakSecond() => false;

    /// <inheritdoc/>
    public void Dispose()
    {
        First.Dispose();
        Second.Dispose();
    }
}
