using StorageOs.Contracts.Runtime;

namespace StorageOs.Contracts.Services;

/// <summary>
/// One of the two groups that all volumes of a pair belong to; the unit of ownership. Group 0 is
/// at home on the node with the lower system id.
/// </summary>
public readonly record struct GroupId
{
    /// <summary>How many groups a pair has.</summary>
    public const int Count = 2;

    /// <summary>Makes the id of group 0 or 1.</summary>
    public GroupId(byte value)
    {
        Invariant.Require(value < Count);
        Value = value;
    }

    /// <summary>0 or 1.</summary>
    public byte Value { get; }

    /// <summary>Both groups.</summary>
    public static IReadOnlyList<GroupId> All { get; } = [new(0), new(1)];

    /// <inheritdoc/>
    public override string ToString() => Value == 0 ? "group0" : "group1";
}

/// <summary>
/// Position in a group's mirrored log, in bytes since the log was made; never reused, grows only.
/// </summary>
public readonly record struct Lsn(ulong Value) : IComparable<Lsn>
{
    /// <inheritdoc/>
    public int CompareTo(Lsn other) => Value.CompareTo(other.Value);

    /// <summary>Whether <paramref name="left"/> is before <paramref name="right"/>.</summary>
    public static bool operator <(Lsn left, Lsn right) => left.Value < right.Value;

    /// <summary>Whether <paramref name="left"/> is after <paramref name="right"/>.</summary>
    public static bool operator >(Lsn left, Lsn right) => left.Value > right.Value;

    /// <summary>Whether <paramref name="left"/> is not after <paramref name="right"/>.</summary>
    public static bool operator <=(Lsn left, Lsn right) => left.Value <= right.Value;

    /// <summary>Whether <paramref name="left"/> is not before <paramref name="right"/>.</summary>
    public static bool operator >=(Lsn left, Lsn right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public override string ToString() => $"{Value}";
}

/// <summary>
/// Version of one group's entry in the ownership register; grows by one with each swap.
/// </summary>
public readonly record struct Term(ulong Value) : IComparable<Term>
{
    /// <summary>The term after this one.</summary>
    public Term Next => new(Value + 1);

    /// <inheritdoc/>
    public int CompareTo(Term other) => Value.CompareTo(other.Value);

    /// <summary>Whether <paramref name="left"/> is before <paramref name="right"/>.</summary>
    public static bool operator <(Term left, Term right) => left.Value < right.Value;

    /// <summary>Whether <paramref name="left"/> is after <paramref name="right"/>.</summary>
    public static bool operator >(Term left, Term right) => left.Value > right.Value;

    /// <summary>Whether <paramref name="left"/> is not after <paramref name="right"/>.</summary>
    public static bool operator <=(Term left, Term right) => left.Value <= right.Value;

    /// <summary>Whether <paramref name="left"/> is not before <paramref name="right"/>.</summary>
    public static bool operator >=(Term left, Term right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public override string ToString() => $"{Value}";
}
