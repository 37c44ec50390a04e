using StorageOs.Contracts.Transports;

namespace StorageOs.Conformance;

/// <summary>
/// What every transport must do, bad flows included. A plain list of named cases: xunit wraps it,
/// and whoever ships a transport can run it by any other means.
/// </summary>
public static class TransportConformance
{
    /// <summary>Every case by name.</summary>
    public static IReadOnlyDictionary<string, Action<ITransportPair>> Cases { get; } =
        All().ToDictionary(c => c.Method.Name, c => c);

    /// <summary>
    /// Runs a case; throws <see cref="ConformanceException"/> when it does not hold.
    /// </summary>
    public static void Run(string name, ITransportPair pair) => Cases[name](pair);

    private static IEnumerable<Action<ITransportPair>> All() =>
        [
            .. WellKnownCases.All,
            .. PortCases.All,
            .. DoorbellCases.All,
            .. MemoryCases.All,
            .. RevocationCases.All,
        ];
}
