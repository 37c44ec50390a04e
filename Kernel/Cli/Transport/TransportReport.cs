using System.Text.Json.Nodes;
using Spectre.Console;
using StorageOs.Contracts.Transports;

namespace StorageOs.Kernel.Cli.Transport;

/// <summary>What a check found, told as it goes or, with <c>-o json</c>, at its end.</summary>
internal sealed class TransportReport(Output output, string transport)
{
    private readonly JsonArray facts = [];
    private readonly JsonArray cases = [];
    private bool usable = true;
    private bool metItself = true;
    private int passed;
    private int failed;

    /// <summary>What the machine has.</summary>
    internal void Facts(IReadOnlyList<TransportFact> found)
    {
        Table table = StatusTable.New("For the transport", "Found");
        foreach (TransportFact fact in found)
        {
            usable &= fact.Usable;
            facts.Add(new JsonObject
            {
                ["subject"] = fact.Subject,
                ["found"] = fact.Found,
                ["usable"] = fact.Usable,
                ["remedy"] = fact.Remedy,
            });
            table.AddRow(
                new Text(fact.Subject),
                new Text(
                    fact.Remedy.Length == 0 ? fact.Found : $"{fact.Found}; {fact.Remedy}",
                    new Style(fact.Usable ? Color.Default : Color.Yellow)));
        }

        if (!output.Json)
        {
            Output.Tables().Write(table);
        }
    }

    /// <summary>The suite can't be run here.</summary>
    internal void CannotMeetItself()
    {
        metItself = false;
        output.Say($"{transport} can't meet itself on this machine: no case was run");
    }

    /// <summary>A case is about to run.</summary>
    internal void Begins(string name, int of) =>
        Progress($"{passed + failed + 1}/{of} {name}");

    /// <summary>A case has run.</summary>
    internal void Ends(CaseResult result)
    {
        double milliseconds = Math.Round(result.Took.TotalMilliseconds, 1);
        cases.Add(new JsonObject
        {
            ["name"] = result.Name,
            ["passed"] = result.Message is null,
            ["ms"] = milliseconds,
            ["message"] = result.Message,
        });
        if (result.Message is null)
        {
            passed++;
            return;
        }

        failed++;
        Progress("");
        output.Say($"failed: {result.Name}: {result.Message}");
    }

    /// <summary>Sums up.</summary>
    /// <returns>The command's exit code.</returns>
    internal int End()
    {
        bool good = usable && metItself && failed == 0;
        Progress("");
        if (output.Json)
        {
            Output.Write(new JsonObject
            {
                ["ok"] = good,
                ["transport"] = transport,
                ["usable"] = usable,
                ["facts"] = facts,
                ["cases"] = cases,
                ["passed"] = passed,
                ["failed"] = failed,
            });
        }

        output.Say($"{transport}: {passed} cases passed, {failed} failed");
        return good ? ExitCode.Good : ExitCode.Failed;
    }

    /// <summary>One line that the next replaces; nothing where nobody watches.</summary>
    private void Progress(string line)
    {
        const int Width = 70;
        if (!output.Json && !Console.IsErrorRedirected)
        {
            Console.Error.Write($"\r{line.PadRight(Width)[..Width]}\r");
        }
    }
}
