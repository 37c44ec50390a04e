using System.CommandLine;
using StorageOs.Kernel.Isolation;
using StorageOs.Kernel.Isolation.Inside;

namespace StorageOs.Kernel.Cli;

/// <summary>What a node starts a plugin's process by; for nobody else.</summary>
internal static class PluginProcessCommand
{
    internal static Command Make()
    {
        Option<string> sockets = new("--sockets") { Required = true };
        Option<int> node = new("--node") { Required = true };
        Command command = new(
            IsolatedProcess.Command, "Runs one plugin for a node that has started it.")
        {
            sockets, node,
        };
        command.Hidden = true;
        command.SetAction(parsed => PluginProcess.Run(
                parsed.GetValue(sockets)!, parsed.GetValue(node))
            ? ExitCode.Good : ExitCode.Failed);
        return command;
    }
}
