using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>A command that is for each of several nodes by itself.</summary>
internal static class EachNode
{
    /// <summary>
    /// Does it with each node in turn; that it fails with one is no reason to leave out the next.
    /// </summary>
    /// <param name="names">Names of the nodes.</param>
    /// <param name="doAsync">What to do with the node of that name.</param>
    /// <returns>Why it failed, with the node's name before it; empty when it did not.</returns>
    internal static async Task<IReadOnlyList<Refusal>> DoAsync(
        IEnumerable<string> names, Func<string, Task> doAsync)
    {
        List<Refusal> refusals = [];
        foreach (string name in names)
        {
            try
            {
                await doAsync(name);
            }
            catch (Exception failure) when (CommandFailure.Of(failure) is { } why)
            {
                refusals.Add(why with { Subject = $"{name}: {why.Subject}" });
            }
        }

        return refusals;
    }
}
