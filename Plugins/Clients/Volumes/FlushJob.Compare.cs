using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>
/// This part: comparisons that an owner asked for (S11). They stand behind the job's writes, as in
/// the log: each is made when everything before it has been applied and nothing after it.
/// </summary>
internal sealed partial class FlushJob
{
    private readonly List<Question> questions = [];
    private readonly List<Lsn> mismatches = [];
    private readonly List<Lsn> yes = [];
    private byte[] block = []; // Has room from the first comparison on.

    /// <summary>Ends of the records whose comparison found a difference.</summary>
    public List<Lsn> Mismatches => mismatches;

    /// <summary>Ends of the records that asked for changes of this node's, where there are
    /// some.</summary>
    public List<Lsn> Yes => yes;

    private static bool IsQuestion(LogEntryKind kind) =>
        kind is LogEntryKind.Compare or LogEntryKind.CompareZeroes;

    private DiskResult Compare()
    {
        mismatches.Clear();
        DiskResult result = DiskResult.Ok;
        for (int i = 0; i < questions.Count && result == DiskResult.Ok; i++)
        {
            result = Compare(questions[i]);
        }

        return result;
    }

    private DiskResult Compare(in Question question)
    {
        IVolumeFile file = Volumes[question.Volume].File;
        ReadOnlySpan<byte> sums = bytes.AsSpan(question.SumsAt, question.SumsBytes);
        bool zeros = sums.Length == 0;
        bool same = zeros || sums.Length == ExtentSums.BytesOf(question.Length);
        block = block.Length == 0 ? new byte[ExtentSums.BlockBytes] : block;
        for (int at = 0; at < question.Length && same; at += ExtentSums.BlockBytes)
        {
            if (zeros && file.NextData(question.Offset + at) >= question.Offset + question.Length)
            {
                break; // No data up to the end.
            }

            Span<byte> found = block.AsSpan(0, Math.Min(block.Length, question.Length - at));
            if (file.Read(found, question.Offset + at) is not DiskResult.Ok and var failure)
            {
                return failure;
            }

            same = zeros
                ? !found.ContainsAnyExcept((byte)0)
                : ExtentSums.Matches(found, sums, at / ExtentSums.BlockBytes);
        }

        if (!same)
        {
            mismatches.Add(question.End);
        }

        return DiskResult.Ok;
    }

    /// <summary>One comparison: of what, with which checksums; none for zeros.</summary>
    private readonly record struct Question(
        ushort Volume, long Offset, int Length, int SumsAt, int SumsBytes, Lsn End);
}
