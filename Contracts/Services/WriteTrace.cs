// The way of one write through the modules, while somebody has such ways traced. What a module adds
// is the moment at which its part of the way ended, so that steps follow each other without a gap
// and their sum is the whole. It is numbers and names and no module's own object: whoever keeps one
// too long keeps nobody else's code (docs/adr/0019-trace-of-a-write.md).
namespace StorageOs.Contracts.Services;

/// <summary>A part of a write's way.</summary>
/// <param name="Name">What was done in it, in a few words; a constant.</param>
/// <param name="Ended">When it ended, in ticks of the clock of whoever made the trace.</param>
public readonly record struct WriteStep(string Name, long Ended);

/// <summary>
/// One write on its way. Travels in <see cref="VolumeRequest.Trace"/>, where it is null for all
/// writes that nobody asked for. Reactor thread of the storage modules only; allocates nothing
/// after it is made.
/// </summary>
/// <param name="slot">A number for whoever made it.</param>
/// <param name="clock">What it takes the time from.</param>
/// <example>
/// <code>
/// request.Trace?.Mark("payload parsed");
/// </code>
/// </example>
public sealed class WriteTrace(int slot, TimeProvider clock)
{
    /// <summary>Steps that are kept; a later one takes the last one's place and time.</summary>
    public const int StepsMax = 24;

    private readonly WriteStep[] steps = new WriteStep[StepsMax];
    private int count;

    /// <summary>A number for whoever made it.</summary>
    public int Slot => slot;

    /// <summary>When the write began, in ticks of the clock.</summary>
    public long Began { get; private set; }

    /// <summary>
    /// Whether nothing is added any more: the write is answered, or will never be.
    /// </summary>
    public bool Ended { get; private set; } = true;

    /// <summary>Whether it ended without an answer.</summary>
    public bool Dropped { get; private set; }

    /// <summary>What was done, in order.</summary>
    public ReadOnlySpan<WriteStep> Steps => steps.AsSpan(0, count);

    /// <summary>Begins anew; 0 is now. For whoever made it.</summary>
    public void Begin(long began)
    {
        Began = began == 0 ? clock.GetTimestamp() : began;
        count = 0;
        Ended = Dropped = false;
    }

    /// <summary>What has been done since the step before is done now.</summary>
    /// <param name="step">What it was; a constant, such as <c>"payload parsed"</c>.</param>
    public void Mark(string step)
    {
        if (Ended)
        {
            return;
        }

        bool again = count > 0 && ReferenceEquals(steps[count - 1].Name, step);
        int at = again || count == StepsMax ? count - 1 : count++;
        steps[at] = new(step, clock.GetTimestamp());
    }

    /// <summary>The write is answered: by whoever began it, after the last step.</summary>
    public void End() => Ended = true;

    /// <summary>The write will not be answered: it has lost its client, or its owner.</summary>
    public void Drop()
    {
        Dropped |= !Ended;
        Ended = true;
    }
}
