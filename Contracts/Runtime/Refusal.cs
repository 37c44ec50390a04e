namespace StorageOs.Contracts.Runtime;

/// <summary>
/// Why something was not done: what was expected, what was found, what to do about it. A value,
/// shown as it is in status and logs; never an exception's text.
/// </summary>
/// <param name="Subject">What was refused, by name: a plugin, a file, a key, the partner.</param>
/// <param name="Expected">What would have been accepted.</param>
/// <param name="Actual">What was found instead.</param>
/// <param name="Remedy">What a person can do; empty when there is nothing to do.</param>
public sealed record Refusal(string Subject, string Expected, string Actual, string Remedy = "")
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"{Subject}: expected {Expected}, found {Actual}"
        + (Remedy.Length == 0 ? "" : $"; {Remedy}");
}

/// <summary>
/// Carries a <see cref="Refusal"/> out of a call that has no other way to return it; control path
/// only.
/// </summary>
public sealed class RefusedException(Refusal refusal, Exception? inner = null)
    : Exception(refusal.ToString(), inner)
{
    /// <summary>The refusal.</summary>
    public Refusal Refusal { get; } = refusal;
}
