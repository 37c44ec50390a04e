using System.CommandLine;
using System.Runtime;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
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

        using ILoggerFactory logs = Logs(toError: output.Json);
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

    /// <summary>The console, which loses lines rather than hold anybody up.</summary>
    internal static ILoggerFactory Logs(bool toError) => LoggerFactory.Create(builder =>
    {
        builder.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fff ";
            console.ColorBehavior = LoggerColorBehavior.Disabled;
        });

        // A console that is slower than the log loses lines; it must not hold up who writes them,
        // the connection manager among them.
        _ = builder.Services.Configure<ConsoleLoggerOptions>(
            static console => console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite);
        if (toError)
        {
            builder.Services.Configure<ConsoleLoggerOptions>(
                console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        }
    });
}
