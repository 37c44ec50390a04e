using System.CommandLine;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Configuration.Interop;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Logs;

namespace StorageOs.Kernel.Cli.Configure;

/// <summary>
/// <c>config</c>: makes the files of a new pair, says what keys mean and whether a node would boot
/// with a file, and brings one of an older version into today's form. Packages ask it before they
/// restart a node.
/// </summary>
internal static class ConfigCommand
{
    internal static Command Make() => new("config", "A node's configuration file.")
    {
        InitCommand.Make(), Check(), Migrate(), ConfigExplain.Make(),
    };

    private static Command Check()
    {
        Argument<string> file = FileArgument();
        Option<string[]> overrides = BootCommand.Set();
        Command command = new("check", "Says whether a node would boot with it, and starts none.")
        {
            file, overrides,
        };
        command.SetAction(parsed => RunCheck(
            Output.Of(parsed), Path.GetFullPath(parsed.GetValue(file)!),
            parsed.GetValue(overrides)!));
        return command;
    }

    private static Command Migrate()
    {
        Argument<string> file = FileArgument();
        Command command = new(
            "migrate", "Brings it into this version's form, with a copy of it beside it.")
        {
            file,
        };
        command.SetAction(parsed => RunMigrate(
            Output.Of(parsed), Path.GetFullPath(parsed.GetValue(file)!)));
        return command;
    }

    private static Argument<string> FileArgument() => new("file")
    {
        Description = "the configuration, a JSON file",
    };

    private static int RunCheck(Output output, string file, string[] overrides)
    {
        IReadOnlyList<Refusal> refusals =
            NodeConfiguration.Load(file, overrides, out NodeSettings? settings);
        if (settings is null)
        {
            return output.Fail(refusals);
        }

        using ILoggerFactory logs = NodeLogs.Make(
            new LogSettings(), settings.Node.Name, toError: true);
        refusals = ConfigurationCheck.Of(
            settings, logs.CreateLogger("check"), out IReadOnlyList<string> wanted,
            out IReadOnlyList<string> unused);
        if (refusals.Count > 0)
        {
            return output.Fail(refusals);
        }

        if (output.Json)
        {
            Output.Write(new JsonObject
            {
                ["ok"] = true,
                ["file"] = file,
                ["node"] = settings.Node.Name,
                ["version"] = ConfigurationVersion.Of(File.ReadAllText(file)),
                ["plugins"] = new JsonArray([.. wanted.Select(static id => (JsonNode)id)]),
                ["unused"] = new JsonArray([.. unused.Select(static id => (JsonNode)id)]),
            });
        }

        foreach (string id in unused)
        {
            output.Say($"plugins:settings:{id} is of no plugin that is there");
        }

        output.Say($"{file} is good: node {settings.Node.Name} would load "
            + string.Join(", ", wanted));
        return ExitCode.Good;
    }

    private static int RunMigrate(Output output, string file)
    {
        string text = File.ReadAllText(file);
        (string migrated, int? from) = ConfigurationVersion.Migrate(text);
        if (from is null)
        {
            return output.Fail(new Refusal(
                $"configuration {file}", "JSON with a version, or with none", "neither",
                $"storageos config check {file} says what is wrong"));
        }

        string? copy = null;
        if (migrated != text)
        {
            copy = $"{file}.version-{from}";
            Put(copy, text, file);
            Put(file, migrated, file);
        }

        if (output.Json)
        {
            Output.Write(new JsonObject
            {
                ["ok"] = true,
                ["file"] = file,
                ["from"] = from,
                ["to"] = Math.Max(from.Value, ConfigurationVersion.Current),
                ["copy"] = copy,
            });
        }

        output.Say(copy is null
            ? $"{file} has version {from}; nothing is to be done"
            : $"{file} is brought from version {from} to {ConfigurationVersion.Current}; "
                + $"as it was: {copy}");
        return ExitCode.Good;
    }

    /// <summary>
    /// Puts a text in a file's place, whole or not at all, for those who may read another.
    /// </summary>
    private static void Put(string file, string text, string like)
    {
        string whole = file + ".migrated";
        WholeFile.Write(whole, text);
        if (!Statx.TryOwnLike(whole, like))
        {
            File.Delete(whole);
            throw new RefusedException(new Refusal(
                $"configuration {like}", "to be given to its owner after the change",
                "another user", "run this as root, or as its owner"));
        }

        File.SetUnixFileMode(whole, File.GetUnixFileMode(like));
        File.Move(whole, file, overwrite: true);
        StableFile.FlushName(file);
    }
}
