using Microsoft.Extensions.Logging;

namespace StorageOs.Hosting;

/// <summary>
/// Passes on what the node logs to its host, under categories that begin with <c>StorageOs</c>, so
/// that one filter of the host has it all.
/// </summary>
internal sealed class HostLogs(ILoggerFactory logs) : ILoggerProvider
{
    private const string Prefix = "StorageOs.";

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => logs.CreateLogger(
        categoryName.StartsWith(Prefix, StringComparison.Ordinal)
            ? categoryName : Prefix + categoryName);

    /// <inheritdoc/>
    public void Dispose()
    {
        // The factory is the host's.
    }
}
