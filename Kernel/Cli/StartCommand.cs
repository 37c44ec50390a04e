using System.CommandLine;

namespace StorageOs.Kernel.Cli;

/// <summary><c>start</c>: brings nodes of a pair back as they were, after a kill too.</summary>
internal static class StartCommand
{
    /// <summary>The argument of every command about one node or both.</summary>
    internal static Argument<string?> Node()
    {
        Argument<string?> node = new("node")
        {
            Description = "a or b; both when left out",
            Arity = ArgumentArity.ZeroOrOne,
        };
        node.AcceptOnlyFromAmong([.. PairLayout.Names]);
        return node;
    }

    internal static Command Make()
    {
        Argument<string?> node = Node();
        Option<string?> directory = PairCommand.Directory();
        Command command = new("start", "Starts nodes of a pair again.") { node, directory };
        command.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            IReadOnlyList<string> names = parsed.GetValue(node) is { } one
                ? [one]
                : [.. PairLayout.Names.Where(name => NodeProcess.Find(pair, name) is null)];
            return PairCommand.StartAsync(
                Output.Of(parsed), pair, names, wait: true, cancellation);
        });
        return command;
    }
}
