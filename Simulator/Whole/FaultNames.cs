namespace StorageOs.Simulator.Whole;

/// <summary>Names of faults on the command line.</summary>
internal static class FaultNames
{
    /// <summary>What can be said.</summary>
    public const string All = "network, kill, pause, power, disk, rot, clock, witness, operator,"
        + " revoke, none or all";

    /// <summary>Takes a list with commas.</summary>
    public static bool TryParse(string text, out FaultKinds kinds)
    {
        kinds = FaultKinds.None;
        foreach (string name in text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (name.Length == 0 || char.IsAsciiDigit(name[0])
                || !Enum.TryParse(name, ignoreCase: true, out FaultKinds one))
            {
                return false;
            }

            kinds |= one;
        }

        return true;
    }
}
