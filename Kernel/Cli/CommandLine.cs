using System.CommandLine;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Kernel.Cli;

/// <summary>All commands put together. Each command is a file of its own in this folder.</summary>
internal static class CommandLine
{
    /// <summary>Runs one command line.</summary>
    /// <param name="args">As given to the process.</param>
    /// <param name="core">Makes the core module, for a node that is booted here.</param>
    /// <returns>The process's exit code.</returns>
    internal static async Task<int> RunAsync(string[] args, Func<IPlugin> core)
    {
        RootCommand root = Root(core);
        if (args is [var first, ..] && first.StartsWith("[suggest", StringComparison.Ordinal))
        {
            Unchecked(root); // What somebody is still typing is not wrong yet.
        }

        ParseResult parsed;
        try
        {
            parsed = root.Parse(args);
        }
        catch (InvalidOperationException wrong)
        {
            // Our own checks look at a value before the parser has said that it is none.
            return BadUsage(wrong.Message);
        }

        if (parsed.Errors.Count > 0)
        {
            return BadUsage(string.Join(" ", parsed.Errors.Select(error => error.Message)));
        }

        // No command takes an empty text for anything, and what makes paths of it throws.
        if (parsed.Tokens.Any(static token => token.Value.Length == 0))
        {
            return BadUsage("One of the arguments is empty.");
        }

        try
        {
            InvocationConfiguration configuration = new() { EnableDefaultExceptionHandler = false };
            if (parsed.CommandResult.Command is CommandWithEnd command)
            {
                configuration.ProcessTerminationTimeout = command.EndTimeMax;
            }

            return await parsed.InvokeAsync(configuration);
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Failed;
        }
        catch (Exception failure) when (CommandFailure.Of(failure) is { } refusal)
        {
            return Output.Of(parsed).Fail(refusal);
        }
    }

    private static RootCommand Root(Func<IPlugin> core)
    {
        RootCommand root = new("A small storage-OS kernel for a pair of nodes.")
        {
            Output.Option,
            BootCommand.Make(core),
            PairCommand.Make(),
            StartCommand.Make(),
            StopCommand.Make(),
            StatusCommand.Make(),
            TakeoverCommand.Make(),
            GivebackCommand.Make(),
            ScrubCommand.Make(),
            Top.TopCommand.Make(),
            Trace.TraceCommand.Make(),
            Events.EventsCommand.Make(),
            Events.ExplainCommand.Make(),
            Timeline.TimelineCommand.Make(),
            WitnessCommand.Make(),
            Remote.RemoteCommand.Make(),
            Doctor.DoctorCommand.Make(),
            Support.SupportBundleCommand.Make(),
            Drill.DrillCommand.Make(),
            Chaos.ChaosCommand.Make(),
            Bench.BenchCommand.Make(),
            SimulateCommand.Make(),
            Plugins.PluginCommand.Make(),
            Transport.TransportCommand.Make(),
            Image.ImageCommand.Make(),
            Packages.PackageCommand.Make(),
            Packages.UpgradeCommand.Make(),
            Packages.NodeCommand.Make(),
            Configure.ConfigCommand.Make(),
            PluginProcessCommand.Make(),
            CompletionCommand.Make(),
        };
        root.Add(ManCommand.Make(root));
        return root;
    }

    private static void Unchecked(Command command)
    {
        command.Validators.Clear();
        foreach (Option option in command.Options)
        {
            option.Validators.Clear();
        }

        foreach (Command part in command.Subcommands)
        {
            Unchecked(part);
        }
    }

    private static int BadUsage(string what)
    {
        // The parser's words are many lines for a list, and name .NET's types.
        string line = string.Join(' ', what.Split((char[])['\n', '\t'],
            StringSplitOptions.RemoveEmptyEntries));
        int type = line.IndexOf(" as expected type", StringComparison.Ordinal);
        Console.Error.WriteLine(
            $"storageos: {(type < 0 ? line : line[..type] + ".")} Try storageos --help.");
        return ExitCode.BadUsage;
    }
}
