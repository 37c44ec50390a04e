using System.CommandLine;
using System.Runtime;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Logs;
using StorageOs.Kernel.Loop;

namespace StorageOs.Kernel.Cli;

/// <summary><c>boot</c>: runs one node in this process until it is told to stop.</summary>
internal static class BootCommand
{
    internal static Command Make(Func<IPlugin> core)
    {
        Option<string> file = new("--config")
        {
            Description = "the node's configuration, a JSON file",
            Required = true,
        };
        Option<string[]> overrides = Set();
        Command command = new("boot", "Boots one node in this process.") { file, overrides };
        command.SetAction((parsed, _) => RunAsync(
            Output.Of(parsed), parsed.GetValue(file)!, parsed.GetValue(overrides)!, core));
        return command;
    }

    /// <summary>The option that goes over the file.</summary>
    internal static Option<string[]> Set() => new("--set")
    {
        Description = "overrides one key: --set node:name=a",
        DefaultValueFactory = _ => [],
    };

    private static async Task<int> RunAsync(
        Output output, string file, string[] overrides, Func<IPlugin> core)
    {
        IReadOnlyList<Refusal> refusals =
            NodeConfiguration.Load(file, overrides, out NodeSettings? settings);
        if (settings is null)
        {
            return output.Fail(refusals);
        }

        using ILoggerFactory logs = NodeLogs.Make(
            settings.Machine.Log, settings.Node.Name, toError: output.Json);
        GCSettings.LatencyMode = GCLatencyMode.SustainedLowLatency;
        if (!NodePriority.TryRaise())
        {
            logs.CreateLogger("boot").LogInformation(
                "no priority over other programs; busy ones may delay the node (CAP_SYS_NICE)");
        }

        using ServiceManager? service = ServiceManager.Find(logs.CreateLogger("service"));
        await using Node node = await Node.BootAsync(settings, core(), logs);
        service?.Ready(node);
        using PosixSignalRegistration interrupt = OnSignal(PosixSignal.SIGINT, node);
        using PosixSignalRegistration terminate = OnSignal(PosixSignal.SIGTERM, node);
        string why = await node.StopAsked;
        service?.Stopping(why);
        await node.StopAsync(why);
        if (output.Json)
        {
            Output.Write(new JsonObject { ["ok"] = !node.Failed, ["reason"] = why });
        }

        return node.Failed ? ExitCode.Failed : ExitCode.Good;
    }

    private static PosixSignalRegistration OnSignal(PosixSignal signal, Node node) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            node.AskStop($"{signal}");
        });
}
