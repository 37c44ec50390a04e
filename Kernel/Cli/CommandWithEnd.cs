using System.CommandLine;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// A command that ends what it is in the midst of before Ctrl-C ends it, and so needs longer for
/// that than others.
/// </summary>
/// <param name="name">As it is typed.</param>
/// <param name="description">For help and manual.</param>
/// <param name="endTimeMax">How long it may go on after Ctrl-C.</param>
internal sealed class CommandWithEnd(string name, string description, TimeSpan endTimeMax)
    : Command(name, description)
{
    /// <summary>How long it may go on after Ctrl-C.</summary>
    internal TimeSpan EndTimeMax => endTimeMax;
}
