using StorageOs.Contracts.Services;
using StorageOs.Storage.Tests.Harness;

namespace StorageOs.Storage.Tests.Model;

/// <summary>
/// What a volume must hold, byte by byte. A write that its owner never answered may have survived
/// or not, until a read shows which; from then on it must stay so (L1).
/// </summary>
internal sealed class Reference(int size)
{
    private readonly byte[] bytes = new byte[size];
    private readonly int[] decided = new int[size]; // Number of the write that a byte is known by.
    private readonly List<Change> pending = [];
    private readonly List<Change> limbo = [];
    private int last;

    /// <summary>Writes that their owner has not answered yet.</summary>
    public int Pending => pending.Count;

    /// <summary>A byte of a write: tells the write, and its place on the volume.</summary>
    public static byte ByteOf(int number, int at) =>
        (byte)((number * 131) ^ (at * 29) ^ (at >> 8) ^ 1);

    /// <summary>The number of the next change.</summary>
    public int Next() => ++last;

    /// <summary>A change was submitted.</summary>
    public void Submitted(int number, TestRequest request) =>
        pending.Add(new Change(
            number, request, (int)request.Offset, request.Length,
            request.Operation != VolumeOperation.Write));

    /// <summary>Takes in what was answered; answers come in the order of submits.</summary>
    public void Settle()
    {
        while (pending.Count != 0 && pending[0].Request.Status is { } status)
        {
            Change change = pending[0];
            pending.RemoveAt(0);
            if (status == VolumeStatus.Ok)
            {
                Apply(change);
            }
            else
            {
                Assert.Equal(VolumeStatus.NotOwner, status);
                limbo.Add(change);
            }
        }

        Assert.DoesNotContain(pending, change => change.Request.Status is not null);
    }

    /// <summary>The owner is gone: whatever it had not answered may have survived or not.</summary>
    public void OwnerGone()
    {
        limbo.AddRange(pending);
        pending.Clear();
    }

    /// <summary>
    /// Says why a read's bytes cannot be; null when they can. What was seen must stay (L1).
    /// </summary>
    public string? Refute(int offset, ReadOnlySpan<byte> read)
    {
        for (int i = 0; i < read.Length; i++)
        {
            int at = offset + i;
            int known = decided[at];
            if (read[i] == bytes[at])
            {
                // Whatever a dead owner left undecided is decided: it is not there.
                decided[at] = limbo.Count == 0 ? known : Math.Max(known, limbo[^1].Number);
                continue;
            }

            byte seen = read[i];
            Change? change = limbo.Concat(pending).LastOrDefault(
                one => one.Number > known && one.Covers(at) && one.At(at) == seen);
            if (change is null)
            {
                return $"byte {at} is {seen}; it was {bytes[at]} by change {known}";
            }

            bytes[at] = seen;
            decided[at] = change.Number;
        }

        return null;
    }

    private void Apply(Change change)
    {
        for (int at = change.Offset; at < change.Offset + change.Length; at++)
        {
            bytes[at] = change.At(at);
            decided[at] = change.Number;
        }
    }

    private sealed record Change(
        int Number, TestRequest Request, int Offset, int Length, bool Zeros)
    {
        public bool Covers(int at) => at >= Offset && at < Offset + Length;

        public byte At(int at) => Zeros ? (byte)0 : ByteOf(Number, at);
    }
}
