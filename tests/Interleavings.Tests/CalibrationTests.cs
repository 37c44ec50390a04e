namespace StorageOs.Interleavings.Tests;

/// <summary>
/// That the explorer sees what it must, on this runtime: a lock, a word, a thread or a wait that it
/// did not know of would hide every bug beside it, and nothing would say so.
/// </summary>
public sealed class CalibrationTests
{
    private const uint RunsMax = 100;

    /// <summary>Every scenario of the calibration.</summary>
    public static TheoryData<string, Choice> All
    {
        get
        {
            TheoryData<string, Choice> all = new();
            foreach (string name in Explored.Product.Scenarios.Where(
                static name => name.StartsWith("Calibration.", StringComparison.Ordinal)))
            {
                foreach (Choice choice in Enum.GetValues<Choice>())
                {
                    all.Add(name, choice);
                }
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void What_is_wrong_is_found_and_what_is_right_is_not(string name, Choice choice)
    {
        Finding finding = Exploration.Run(
            Explored.Product.Scenario(name), choice, seed: 1, RunsMax);
        Assert.Empty(finding.Uncontrolled);
        bool isRight = name.Contains(".Right_", StringComparison.Ordinal);
        if (isRight)
        {
            Assert.Null(finding.Bug);
            return;
        }

        string told = name.Contains(".Wake_", StringComparison.Ordinal)
            ? "Deadlock detected" : "an update is lost";
        Assert.Contains(told, finding.Bug, StringComparison.Ordinal);
        Finding again = Exploration.Replay(Explored.Product.Scenario(name), finding.Trace);
        Assert.Contains(told, again.Bug, StringComparison.Ordinal);
    }
}
