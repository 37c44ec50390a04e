using System.Diagnostics;
using StorageOs.Conformance;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Kernel.Cli.Transport;

/// <summary>What became of one case.</summary>
/// <param name="Name">The case.</param>
/// <param name="Message">What did not hold; null when it passed.</param>
/// <param name="Took">How long it took.</param>
internal sealed record CaseResult(string Name, string? Message, TimeSpan Took);

/// <summary>Runs the conformance suite on a transport that meets itself.</summary>
internal static class TransportCheck
{
    /// <summary>Runs each chosen case on a fresh pair, and tells of it at once.</summary>
    internal static void Run(
        ITransportProvider provider, TransportSelfTest test, IReadOnlyList<string> parts,
        TransportReport report, CancellationToken cancellation)
    {
        string[] names =
        [
            .. TransportConformance.Cases.Keys.Where(name => parts.Count == 0
                || parts.Any(part => name.Contains(part, StringComparison.OrdinalIgnoreCase))),
        ];
        if (names.Length == 0)
        {
            throw new RefusedException(new Refusal(
                "--case", "a part of the name of a case, such as Backing",
                string.Join(", ", parts), "leave it out to see all"));
        }

        foreach (string name in names)
        {
            cancellation.ThrowIfCancellationRequested();
            report.Begins(name, names.Length);
            report.Ends(RunOne(provider, test, name));
        }
    }

    private static CaseResult RunOne(
        ITransportProvider provider, TransportSelfTest test, string name)
    {
        long start = Stopwatch.GetTimestamp();
        string? message = null;
        try
        {
            using SelfTestPair pair = new(provider, test);
            TransportConformance.Run(name, pair);
        }
        catch (ConformanceException failure)
        {
            message = failure.Message;
        }
        catch (RefusedException refused)
        {
            message = refused.Message;
        }
#pragma warning disable CA1031 // A transport under test may throw anything; it fails the case.
        catch (Exception bug)
#pragma warning restore CA1031
        {
            message = $"expected no such exception, found {bug.GetType().Name}: {bug.Message}";
        }

        return new(name, message, Stopwatch.GetElapsedTime(start));
    }

    /// <summary>Both ends, opened as two nodes would.</summary>
    private sealed class SelfTestPair : ITransportPair
    {
        private readonly TransportSelfTest test;

        internal SelfTestPair(ITransportProvider provider, TransportSelfTest test)
        {
            this.test = test;
            First = provider.Open(test.First, static () => { });
            try
            {
                Second = provider.Open(test.Second, static () => { });
            }
            catch (RefusedException)
            {
                First.Dispose();
                throw;
            }
        }

        /// <inheritdoc/>
        public ITransport First { get; }

        /// <inheritdoc/>
        public ITransport Second { get; }

        /// <inheritdoc/>
        public string FirstAddress => test.First.LocalAddress;

        /// <inheritdoc/>
        public string SecondAddress => test.Second.LocalAddress;

        /// <inheritdoc/>
        public string UnknownAddress => test.UnknownAddress;

        /// <inheritdoc/>
        public uint FirstPort => test.FirstPort;

        /// <inheritdoc/>
        public uint SecondPort => test.SecondPort;

        /// <summary>That takes a real process.</summary>
        public bool TryBreakSecond() => false;

        /// <inheritdoc/>
        public void Dispose()
        {
            First.Dispose();
            Second.Dispose();
        }
    }
}
