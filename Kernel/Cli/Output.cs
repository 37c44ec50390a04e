using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>Exit codes of every command.</summary>
internal static class ExitCode
{
    internal const int Good = 0;
    internal const int Failed = 1;
    internal const int BadUsage = 2;
    internal const int Degraded = 3;
}

/// <summary>
/// Where a command's words go. With <c>-o json</c> standard output is one JSON document, errors
/// included; else it is for people. Errors for people are one line on standard error.
/// </summary>
internal sealed class Output
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The option every command has.</summary>
    internal static Option<string> Option { get; } = Make();

    private readonly bool quiet;

    private Output(bool json, bool quiet = false)
    {
        Json = json;
        this.quiet = quiet;
    }

    /// <summary>Whether a program reads this.</summary>
    internal bool Json { get; }

    /// <summary>What the command line asks for.</summary>
    internal static Output Of(ParseResult parsed) => new(parsed.GetValue(Option) == "json");

    /// <summary>The same for a step of a longer command: says nothing by itself.</summary>
    internal static Output Quiet() => new(json: false, quiet: true);

    /// <summary>Writes a document.</summary>
    internal static void Write(JsonNode document) =>
        Console.Out.WriteLine(document.ToJsonString(Indented));

    /// <summary>Writes a line for people; nothing with <c>-o json</c>.</summary>
    internal void Say(string line)
    {
        if (!Json && !quiet)
        {
            Console.Out.WriteLine(Printable.Of(line));
        }
    }

    /// <summary>Writes why the command failed.</summary>
    internal int Fail(params IReadOnlyList<Refusal> refusals) =>
        Fail(new JsonObject(), refusals);

    /// <summary>Writes why a command failed in part, and in JSON what it did.</summary>
    internal int Fail(JsonObject done, IReadOnlyList<Refusal> refusals)
    {
        if (Json)
        {
            JsonArray list = [];
            foreach (Refusal refusal in refusals)
            {
                list.Add(Management.StatusDocument.Of(refusal));
            }

            done["ok"] = false;
            done["refusals"] = list;
            Write(done);
        }
        else
        {
            foreach (Refusal refusal in refusals)
            {
                Console.Error.WriteLine(Printable.Of($"storageos: {refusal}"));
            }
        }

        return ExitCode.Failed;
    }

    /// <summary>A console for tables: as wide as the terminal, 80 columns without one.</summary>
    internal static IAnsiConsole Tables()
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings());
        if (Console.IsOutputRedirected)
        {
            console.Profile.Width = 80;
        }

        return console;
    }

    /// <summary>Bars for what takes long: how far it is, and the time that is left.</summary>
    internal static Progress Progress(IAnsiConsole console) => console.Progress().Columns(
        new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(),
        new PercentageColumn(), new RemainingTimeColumn());

    private static Option<string> Make()
    {
        Option<string> option = new("--output", "-o")
        {
            Description = "text, or json for a documented, stable form",
            DefaultValueFactory = _ => "text",
            Recursive = true,
        };
        option.AcceptOnlyFromAmong("text", "json");
        return option;
    }
}
