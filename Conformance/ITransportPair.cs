using StorageOs.Contracts.Transports;

namespace StorageOs.Conformance;

/// <summary>
/// Two open transports that can reach each other, and the preset values of both; made anew for each
/// case by whoever runs the suite. Dispose ends both.
/// </summary>
public interface ITransportPair : IDisposable
{
    /// <summary>The transport of the node that connects.</summary>
    ITransport First { get; }

    /// <summary>The transport of the node that listens.</summary>
    ITransport Second { get; }

    /// <summary>Hardware address of the first.</summary>
    string FirstAddress { get; }

    /// <summary>Hardware address of the second.</summary>
    string SecondAddress { get; }

    /// <summary>A well-formed address at which nobody is.</summary>
    string UnknownAddress { get; }

    /// <summary>Well-known port number of the first.</summary>
    uint FirstPort { get; }

    /// <summary>Well-known port number of the second.</summary>
    uint SecondPort { get; }

    /// <summary>
    /// Ends the second node as the sudden end of its process would, as far as the first can tell;
    /// false where that takes a real process.
    /// </summary>
    bool TryBreakSecond();
}
