using System.CommandLine;
using System.Text;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>man</c>: writes a manual page for each command, made of what the command says of itself.
/// </summary>
internal static class ManCommand
{
    private const string Program = "storageos";

    internal static Command Make(RootCommand root)
    {
        Option<string> into = new("--into")
        {
            Description = "the folder for the pages",
            DefaultValueFactory = _ => ".",
        };
        Command command = new("man", "Writes the manual pages.") { into };
        command.SetAction(parsed =>
        {
            string folder = Path.GetFullPath(parsed.GetValue(into)!);
            Directory.CreateDirectory(folder);
            int count = 0;
            foreach ((string name, string text) in Pages(root))
            {
                File.WriteAllText(Path.Combine(folder, $"{name}.1"), text);
                count++;
            }

            Output.Of(parsed).Say($"{count} pages are in {folder}");
            return ExitCode.Good;
        });
        return command;
    }

    /// <summary>Every page by its name.</summary>
    internal static IEnumerable<(string Name, string Text)> Pages(RootCommand root)
    {
        yield return (Program, Page(root, Program, [.. Shown(root)]));
        foreach (Command command in Shown(root))
        {
            string name = $"{Program}-{command.Name}";
            yield return (name, Page(command, name, [.. Shown(command)]));
            foreach (Command part in Shown(command))
            {
                string whole = $"{name}-{part.Name}";
                yield return (whole, Page(part, whole, []));
            }
        }
    }

    private static IEnumerable<Command> Shown(Command command) =>
        command.Subcommands.Where(static part => !part.Hidden);

    private static string Page(Command command, string name, IReadOnlyList<Command> parts)
    {
        StringBuilder page = new();
        string title = name.ToUpperInvariant();
        page.Append($".TH {Escaped(title)} 1 \"\" \"StorageOs\"\n.SH NAME\n");
        page.Append($"{Escaped(name)} \\- {Escaped(command.Description ?? "")}\n");
        page.Append(".SH SYNOPSIS\n.B ").Append(Escaped(name.Replace('-', ' ')));
        page.Append(parts.Count > 0 ? "\n.I command\n" : "\n");
        foreach (Argument argument in command.Arguments)
        {
            page.Append($".I {Escaped(argument.Name)}\n");
        }

        page.Append(command.Options.Count > 0 ? "[options]\n" : "");
        if (command.Arguments.Count > 0)
        {
            page.Append(".SH ARGUMENTS\n");
            foreach (Argument argument in command.Arguments)
            {
                page.Append($".TP\n.I {Escaped(argument.Name)}\n");
                page.Append($"{Escaped(argument.Description ?? "")}\n");
            }
        }

        AddOptions(page, command);
        if (parts.Count > 0)
        {
            page.Append(".SH COMMANDS\n");
            foreach (Command part in parts)
            {
                page.Append($".TP\n.BR {Escaped($"{name}-{part.Name}")} (1)\n");
                page.Append($"{Escaped(part.Description ?? "")}\n");
            }
        }

        page.Append(".SH EXIT STATUS\n0 good, 1 failed, 2 bad usage, 3 degraded.\n");
        return page.ToString();
    }

    private static void AddOptions(StringBuilder page, Command command)
    {
        Option[] options = [.. command.Options.Where(static option => !option.Hidden)];
        page.Append(options.Length > 0 ? ".SH OPTIONS\n" : "");
        foreach (Option option in options)
        {
            string names = string.Join(", ", option.Aliases.Prepend(option.Name));
            page.Append($".TP\n.B {Escaped(names)}\n{Escaped(option.Description ?? "")}\n");
        }
    }

    /// <summary>A text as it stands: no request of the formatter's, and hyphens to copy.</summary>
    private static string Escaped(string text)
    {
        StringBuilder plain = new();
        foreach (Rune letter in text.EnumerateRunes())
        {
            _ = letter.Value switch
            {
                '\\' => plain.Append("\\e"),
                '-' => plain.Append("\\-"),
                '\n' => plain.Append(' '),
                > 127 => plain.Append($"\\[u{letter.Value:X4}]"),
                _ => plain.Append(letter),
            };
        }

        return plain.Length > 0 && plain[0] is '.' or '\'' ? $"\\&{plain}" : plain.ToString();
    }
}
