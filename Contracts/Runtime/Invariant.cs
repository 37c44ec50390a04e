using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace StorageOs.Contracts.Runtime;

/// <summary>
/// A broken promise of our own code. In a kernel module it ends the process, in release too.
/// </summary>
public sealed class InvariantException(string message) : Exception(message);

/// <summary>
/// Checks of our own promises. What the partner, a file or a person says is refused instead.
/// </summary>
public static class Invariant
{
    /// <summary>
    /// Throws <see cref="InvariantException"/> with the condition's text when it does not hold.
    /// </summary>
    public static void Require(
        [DoesNotReturnIf(false)] bool condition,
        [CallerArgumentExpression(nameof(condition))] string text = "")
    {
        if (!condition)
        {
            Throw(text);
        }
    }

    [DoesNotReturn]
    private static void Throw(string text) =>
        throw new InvariantException("does not hold: " + text);
}
