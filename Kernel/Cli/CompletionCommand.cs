using System.CommandLine;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>completion</c>: has a shell complete commands, options and values, by asking the program what
/// may come next; so it knows each command that the program has.
/// </summary>
internal static class CompletionCommand
{
    // What is asked is the line without the program's name, and where the cursor is in that.
    private const string Bash = """
        # eval "$(storageos completion bash)"
        _storageos() {
          local IFS=$'\n' line=${COMP_LINE#* }
          local at=$((COMP_POINT - ${#COMP_LINE} + ${#line}))
          COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:$at]" "$line" 2>/dev/null)" \
            -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _storageos storageos ./storageos
        """;

    private const string Zsh = """
        # eval "$(storageos completion zsh)"
        _storageos() {
          local -a all
          local line=${BUFFER#* }
          all=("${(@f)$("${words[1]}" "[suggest:$((CURSOR - ${#BUFFER} + ${#line}))]" "$line" \
            2>/dev/null)}")
          compadd -a all
        }
        compdef _storageos storageos ./storageos
        """;

    private const string Fish = """
        # storageos completion fish | source
        function __storageos
          set -l words (commandline -opc)
          set -l line (string replace -r '^\S+\s+' '' -- (commandline -cp))
          $words[1] "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete -c storageos -f -a '(__storageos)'
        """;

    internal static Command Make()
    {
        Argument<string> shell = new("shell") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        Command command = new("completion", "Writes what has a shell complete commands.")
        {
            shell,
        };
        command.SetAction(parsed =>
        {
            Console.Out.WriteLine(parsed.GetValue(shell) switch
            {
                "bash" => Bash,
                "zsh" => Zsh,
                _ => Fish,
            });
            return ExitCode.Good;
        });
        return command;
    }
}
