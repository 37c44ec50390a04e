using System.Runtime.ExceptionServices;

namespace StorageOs.Contracts.Runtime;

/// <summary>Endings of several steps, of which each has to be tried.</summary>
public static class Cleanup
{
    /// <summary>
    /// Runs every step in order, also after one that was refused; the first refusal is thrown once
    /// all have run. Any other exception is a bug and ends it at once.
    /// </summary>
    /// <param name="steps">What to do; on the caller's thread.</param>
    /// <exception cref="RefusedException">A step was refused; the first that was.</exception>
    public static void All(params IEnumerable<Action> steps)
    {
        ArgumentNullException.ThrowIfNull(steps);
        RefusedException? first = null;
        foreach (Action step in steps)
        {
            try
            {
                step();
            }
            catch (RefusedException refused)
            {
                first ??= refused;
            }
        }

        if (first is not null)
        {
            ExceptionDispatchInfo.Throw(first);
        }
    }
}
