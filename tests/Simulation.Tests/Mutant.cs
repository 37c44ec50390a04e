using System.Globalization;

namespace StorageOs.Simulation.Tests;

/// <summary>A bug that can be planted.</summary>
/// <param name="Name">Its name.</param>
/// <param name="CaughtBy">What catches it: a seed, or a name.</param>
internal sealed record Mutant(string Name, string CaughtBy)
{
    /// <summary>What it breaks; its first line says it.</summary>
    public List<string> Why { get; } = [];

    /// <summary>What it changes.</summary>
    public List<Edit> Edits { get; } = [];

    /// <summary>The seed, where it is one.</summary>
    public int Seed => int.Parse(CaughtBy, CultureInfo.InvariantCulture);

    /// <summary>Reads a list of them, as <c>Simulator/Mutants/mutants.txt</c> is one.</summary>
    public static IReadOnlyList<Mutant> Read(string path)
    {
        List<Mutant> all = [];
        List<string> into = [];
        Edit? edit = null;
        foreach (string line in File.ReadLines(path).Where(static one => !one.StartsWith('#')))
        {
            if (line.StartsWith("== ", StringComparison.Ordinal))
            {
                string[] words = line.Split(' ');
                all.Add(new(words[1], words[2]));
                into = all[^1].Why;
            }
            else if (line.StartsWith("-- ", StringComparison.Ordinal))
            {
                edit = new(line[3..]);
                all[^1].Edits.Add(edit);
                into = edit.Before;
            }
            else if (line == "++")
            {
                into = edit!.After;
            }
            else
            {
                into.Add(line);
            }
        }

        return all;
    }
}

/// <summary>One text in place of another.</summary>
internal sealed record Edit(string File)
{
    /// <summary>As it stands.</summary>
    public List<string> Before { get; } = [];

    /// <summary>In its place.</summary>
    public List<string> After { get; } = [];

    /// <summary>Changes the copy.</summary>
    public void Apply(string root, string mutant)
    {
        string path = Path.Combine(root, File);
        string text = System.IO.File.ReadAllText(path);
        string before = string.Join('\n', Before).TrimEnd('\n');
        string[] parts = text.Split(before);
        if (parts.Length != 2)
        {
            throw new InvalidOperationException(
                $"{mutant}: {parts.Length - 1} places in {File} for:\n{before}");
        }

        string after = string.Join('\n', After).TrimEnd('\n').Replace(
            "MUTANT", $"global::StorageOs.Contracts.Runtime.Mutant.Is(\"{mutant}\")",
            StringComparison.Ordinal);
        System.IO.File.WriteAllText(path, parts[0] + after + parts[1]);
    }
}
