namespace StorageOs.Contracts.Runtime;

/// <summary>Which planted bug is awake, where bugs are planted.</summary>
public static class Mutant
{
    /// <summary>Its name; empty for none.</summary>
    public static string Awake { get; set; } = "";

    /// <summary>Whether it is this one.</summary>
    public static bool Is(string name) => Awake == name;
}
