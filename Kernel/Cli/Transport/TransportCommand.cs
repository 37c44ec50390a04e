using System.CommandLine;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Cli.Transport;

/// <summary>
/// <c>transport check</c>: what this machine has for a transport, and whether the transport does
/// what its contract says when it meets itself here. Loads the transport's plugin and no other.
/// </summary>
internal static class TransportCommand
{
    internal static Command Make()
    {
        Option<string?> transport = new("--transport")
        {
            Description = "id of the transport plugin (default: the configuration's, or loopback)",
        };
        Option<string?> config = new("--config")
        {
            Description = "a node's configuration, for the transport's address and options",
        };
        Option<string[]> plugins = new("--plugin")
        {
            Description = "folder of a further plugin, or of several",
            DefaultValueFactory = _ => [],
        };
        Option<string[]> cases = new("--case")
        {
            Description = "only cases whose name contains this",
            DefaultValueFactory = _ => [],
        };
        Command check = new(
            "check", "Shows what this machine has for a transport, and tries it out.")
        {
            transport, config, plugins, cases,
        };
        check.SetAction((parsed, cancellation) => RunAsync(
            Output.Of(parsed),
            Choose(
                parsed.GetValue(transport),
                parsed.GetValue(config),
                parsed.GetValue(plugins)!),
            parsed.GetValue(cases)!,
            cancellation));
        return new Command("transport", "Looks at transports.") { check };
    }

    private static async Task<int> RunAsync(
        Output output, Chosen chosen, string[] cases, CancellationToken cancellation)
    {
        await using LoadedTransport loaded =
            await LoadedTransport.LoadAsync(chosen.Name, chosen.Directories);
        TransportReport report = new(output, chosen.Name);
        report.Facts(loaded.Provider.Inspect());
        if (loaded.Provider.SelfTest(chosen.Settings) is not { } test)
        {
            report.CannotMeetItself();
            return report.End();
        }

        // On a thread of its own, for the cases block.
        await Task.Factory.StartNew(
            () => TransportCheck.Run(loaded.Provider, test, cases, report, cancellation),
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return report.End();
    }

    private static Chosen Choose(string? name, string? file, string[] plugins)
    {
        string[] further = [.. plugins.Select(Path.GetFullPath)];
        if (file is null)
        {
            return new(
                name ?? "loopback", new("", new Dictionary<string, string>()),
                [NodeConfiguration.BuiltPlugins, .. further]);
        }

        IReadOnlyList<Refusal> refusals =
            NodeConfiguration.Load(file, [], out NodeSettings? settings);
        if (settings is null)
        {
            throw new RefusedException(refusals[0]);
        }

        // The address and options of another transport would only be refused.
        TransportChoice preset = settings.Transport;
        bool same = name is null || name == preset.Name;
        return new(
            name ?? preset.Name,
            same ? new(preset.Address, preset.Options) : new("", new Dictionary<string, string>()),
            [.. settings.Plugins.Directories, .. further]);
    }

    private sealed record Chosen(
        string Name, TransportSettings Settings, IReadOnlyList<string> Directories);
}
