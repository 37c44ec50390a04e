using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace StorageOs.Conformance;

/// <summary>What was tried does not do what its contract says.</summary>
public sealed class ConformanceException(string message) : Exception(message);

/// <summary>
/// Checks of the suite; independent of any test framework, for the CLI runs it, too.
/// </summary>
internal static class Check
{
    /// <summary>The condition must hold; its text tells which one did not.</summary>
    public static void That(
        [DoesNotReturnIf(false)] bool condition,
        [CallerArgumentExpression(nameof(condition))] string text = "")
    {
        if (!condition)
        {
            throw new ConformanceException("does not hold: " + text);
        }
    }

    /// <summary>Both must be equal.</summary>
    public static void Equal<T>(
        T expected, T actual, [CallerArgumentExpression(nameof(actual))] string text = "")
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
        {
            throw new ConformanceException($"{text}: expected {expected}, found {actual}");
        }
    }

    /// <summary>The action must throw exactly this.</summary>
    public static void Throws<TException>(
        Action action, [CallerArgumentExpression(nameof(action))] string text = "")
        where TException : Exception
    {
        try
        {
            action();
        }
        catch (TException)
        {
            return;
        }

        throw new ConformanceException(
            $"{text}: expected {typeof(TException).Name}, found success");
    }
}
