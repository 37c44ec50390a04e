namespace StorageOs.Fuzz;

/// <summary>
/// A parser and what it promises of any input: no exception but its documented refusal, an end
/// after a bounded number of steps, no more memory than the input explains, and what the target
/// itself checks, such as that what was read can be written and read again.
/// </summary>
internal abstract class Target
{
    /// <summary>Its name, and that of its folder in the corpus.</summary>
    public abstract string Name { get; }

    /// <summary>Longest input.</summary>
    public virtual int BytesMax => 1024;

    /// <summary>Names of the types that read it begin so; their constants are tried.</summary>
    public abstract IReadOnlyList<string> Types { get; }

    /// <summary>What an execution may allocate, the harness's own part included.</summary>
    public virtual long AllocatedMax(int bytes) => 16_384 + (64L * bytes);

    /// <summary>Steps that an execution may take.</summary>
    public virtual long StepsMax(int bytes) => 100_000 + (1_000L * bytes);

    /// <summary>Good inputs to begin with.</summary>
    public abstract IEnumerable<byte[]> Seeds();

    /// <summary>
    /// Puts checksums and the like right, as far as they can be, so that what lies behind them is
    /// reached, too.
    /// </summary>
    public virtual void Repair(Span<byte> input)
    {
    }

    /// <summary>Reads an input; throws when a promise is broken.</summary>
    public abstract void Run(ReadOnlySpan<byte> input);
}
