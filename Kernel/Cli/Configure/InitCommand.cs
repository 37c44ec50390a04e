using System.CommandLine;
using System.Text.Json.Nodes;
using Spectre.Console;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Configure;

/// <summary>
/// <c>config init</c>: asks what only an operator knows of a new pair, and writes the files of both
/// machines, so that what must agree does.
/// </summary>
internal static class InitCommand
{
    internal static Command Make()
    {
        Option<string> into = new("--into")
        {
            Description = "folder to write to, which has none of the files yet",
            DefaultValueFactory = static _ => "storageos-pair",
            HelpName = "DIR",
        };
        Option<bool> usual = new("--yes")
        {
            Description = "ask nothing: what is not given is as usual",
        };
        (Question Question, Option<string?> Option)[] given = [.. Question.All.Select(
            static question => (question, new Option<string?>($"--{question.Name}")
            {
                Description = question.Asks
                    + (question.Usual is { } answer ? $" (usual {answer})" : ""),
            }))];
        Command command = new("init", "Asks what a pair needs, and writes both nodes' files.")
        {
            into, usual,
        };
        foreach ((_, Option<string?> option) in given)
        {
            command.Add(option);
        }

        command.SetAction(parsed =>
        {
            Output output = Output.Of(parsed);
            bool asks = !parsed.GetValue(usual) && !output.Json;
            Dictionary<string, string> answers = [];
            foreach ((Question question, Option<string?> option) in given)
            {
                if (question.Applies(answers))
                {
                    answers[question.Name] = parsed.GetValue(option) is { } answer
                        ? Check(question, answer)
                        : asks ? Ask(question) : Usual(question);
                }
            }

            return Write(output, Path.GetFullPath(parsed.GetValue(into)!), new(answers));
        });
        return command;
    }

    private static int Write(Output output, string folder, PairFiles files)
    {
        IReadOnlyList<string> written = files.Write(folder);
        if (output.Json)
        {
            Output.Write(new JsonObject
            {
                ["ok"] = true,
                ["files"] = new JsonArray([.. written.Select(static one => (JsonNode)one)]),
            });
        }

        output.Say("");
        foreach (string file in written)
        {
            output.Say($"wrote {file}");
        }

        output.Say($"""

            On each of the two machines, {files.NameA} and {files.NameB}:
              copy its node.json, and pair.key, to /etc/storageos
              chown storageos /etc/storageos/pair.key; chmod 600 /etc/storageos/pair.key
              runuser -u storageos -- storageos config check /etc/storageos/node.json
              runuser -u storageos -- storageos doctor --config /etc/storageos/node.json
              systemctl enable --now storageos
            Nobody else may have pair.key: who has it is one of the two.
            """);
        if (files.WitnessFolder is { } witness)
        {
            output.Say($"""
                The node may write to {witness} once its unit says so:
                  systemctl edit storageos
                  [Service]
                  ReadWritePaths={witness}
                """);
        }

        return ExitCode.Good;
    }

    private static string Ask(Question question)
    {
        Output.Tables().Write(new Text($"\n{question.Why}\n")); // Wraps at the terminal's width.
        while (true)
        {
            string usual = question.Usual is { } answer ? $" [{answer}]" : "";
            Console.Out.Write($"{question.Asks}{usual}: ");
            string? line = Console.In.ReadLine();
            if (line is null)
            {
                throw Wrong(question, "no further answers");
            }

            string given = line.Trim() is { Length: > 0 } text ? text : question.Usual ?? "";
            if (question.IsGood(given))
            {
                return given;
            }

            Console.Out.WriteLine($"expected {question.Expected}");
        }
    }

    private static string Usual(Question question) =>
        question.Usual ?? throw Wrong(question, "none");

    private static string Check(Question question, string answer) =>
        question.IsGood(answer) ? answer : throw Wrong(question, $"\"{answer}\"");

    private static RefusedException Wrong(Question question, string found) => new(new Refusal(
        $"--{question.Name}", question.Expected, found));
}
