using System.CommandLine;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Remote;

/// <summary>
/// <c>remote</c>: says where the nodes of a pair on other machines are, so that every command that
/// takes <c>--dir</c> reaches them through their HTTP API.
/// </summary>
internal static class RemoteCommand
{
    internal static Command Make()
    {
        Option<string> a = Address("--a", "address of node a's API, such as https://10.0.0.1:8441");
        Option<string> b = Address("--b", "address of node b's API");
        Option<string> token = new("--token")
        {
            Description = "file whose first line is a token that both nodes know",
            HelpName = "FILE",
            Required = true,
        };
        Option<string?> trust = new("--trust")
        {
            Description = "certificates (PEM) to trust; those of the system when left out",
            HelpName = "FILE",
        };
        Option<string?> directory = PairCommand.Directory();
        Command command = new("remote", "Says where the nodes of a pair on other machines are.")
        {
            a, b, token, trust, directory,
        };
        command.SetAction((parsed, cancellation) =>
        {
            string[] nodes = [.. new[] { a, b }.Select(option => new RemoteNode(
                RemoteNode.CheckAddress(parsed.GetValue(option)!),
                RemoteNode.CheckFile(parsed.GetValue(token)!),
                parsed.GetValue(trust) is { } file ? RemoteNode.CheckFile(file) : null)
                .ToString())];
            return RunAsync(
                Output.Of(parsed), PairLayout.At(parsed.GetValue(directory)),
                new RemoteSettings(nodes[0], nodes[1]), cancellation);
        });
        return command;
    }

    /// <summary>Asks both first: what is written down has answered once.</summary>
    private static async Task<int> RunAsync(
        Output output, PairLayout pair, RemoteSettings settings, CancellationToken cancellation)
    {
        if (pair.Exists && pair.Remote is null)
        {
            throw new RefusedException(new Refusal(
                $"pair in {pair.Directory}", "none, or one on other machines",
                "one of this machine", "choose another --dir"));
        }

        PairStatus status = await PairStatus.AskAsync(
            [("a", settings.A), ("b", settings.B)], cancellation);
        Refusal[] refusals = [.. status.Nodes
            .Where(static node => $"{node["phase"]}" == "Unreachable")
            .Select(static node => new Refusal(
                $"{node["name"]}", "an answer of its API", $"{node["reason"]}",
                "see its address, its token and the certificate to trust"))];
        if (refusals.Length > 0)
        {
            return output.Fail(refusals);
        }

        if (status.Nodes.Select(static node => $"{node["homeGroup"]}").ToArray() is not ["0", "1"])
        {
            return output.Fail(new Refusal(
                "--a and --b", "a the node at which group 0 is at home, b that of group 1",
                string.Join(" and ", status.Nodes.Select(static node =>
                    $"{node["name"]}, home of group {node["homeGroup"]}")),
                "exchange the addresses, or give both nodes'"));
        }

        settings.Save(pair.Directory);
        output.Say($"both answer; storageos status --dir {pair.Directory}");
        if (output.Json)
        {
            Output.Write(new JsonObject { ["ok"] = true, ["directory"] = pair.Directory });
        }

        return ExitCode.Good;
    }

    private static Option<string> Address(string name, string what) => new(name)
    {
        Description = what,
        HelpName = "URL",
        Required = true,
    };
}
