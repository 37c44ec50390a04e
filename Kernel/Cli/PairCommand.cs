using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using Spectre.Console;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli;

/// <summary><c>pair</c>: makes a pair in a directory and starts both nodes as processes.</summary>
internal static class PairCommand
{
    /// <summary>How often the live table and a waiting command look again.</summary>
    internal static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);

    /// <summary>How long both nodes may take to be ready.</summary>
    internal static readonly TimeSpan ReadyTimeMax = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan GuestReadyTimeMax = TimeSpan.FromMinutes(5);

    /// <summary>The option of every command about a pair.</summary>
    internal static Option<string?> Directory() => new("--dir")
    {
        Description = "the pair's directory (default .storageos/pair)",
    };

    /// <summary>Where the pair's register is to be.</summary>
    internal static Option<string> Witness()
    {
        Option<string> witness = new("--witness")
        {
            Description = "file: a register in files beside the pair; etcd: in etcd, with --etcd;"
                + " none: rule S13; when left out, a witness among --plugin has it",
            DefaultValueFactory = _ => "file",
        };
        witness.AcceptOnlyFromAmong("file", "etcd", "none");
        return witness;
    }

    /// <summary>Where etcd is, when the register is to be there.</summary>
    private static Option<string?> Etcd(Option<string> witness)
    {
        Option<string?> etcd = new("--etcd")
        {
            Description = "addresses of etcd's members, such as http://127.0.0.1:2379,…",
        };
        etcd.Validators.Add(result => Check(
            result, result.GetValue(witness) == "etcd", "--etcd needs --witness etcd."));
        return etcd;
    }

    internal static Command Make()
    {
        Option<string?> directory = Directory();
        Option<string> transport = new("--transport")
        {
            Description = "id of the transport plugin",
            DefaultValueFactory = _ => "loopback",
        };
        Option<string[]> plugins = new("--plugin")
        {
            Description = "folder of a further plugin, or of several",
            DefaultValueFactory = _ => [],
        };
        Option<bool> detach = DetachOption();
        Option<string> size = SizeOption("1G");
        Option<int> port = PortOption();
        Option<int> web = WebPortOption();
        Option<string> witness = Witness();
        Option<string?> etcd = Etcd(witness);
        Option<string[]> addresses = new("--address")
        {
            Description = "hardware addresses of a and b, where the transport needs this machine's",
            Arity = new ArgumentArity(2, 2),
            AllowMultipleArgumentsPerToken = true,
        };
        Command command = new("pair", "Makes and runs a pair of nodes on this machine.")
        {
            directory, transport, plugins, detach, size, port, web, witness, etcd, addresses,
        };
        command.Validators.Add(result => Check(
            result, result.GetValue(witness) != "etcd" || result.GetValue(etcd) is not null,
            "--witness etcd needs --etcd."));
        command.SetAction((parsed, cancellation) =>
        {
            _ = ByteSize.TryParse(parsed.GetValue(size), out long bytes);
            string[] folders = [.. parsed.GetValue(plugins)!.Select(Path.GetFullPath)];
            bool isAsked = parsed.GetResult(witness) is { Implicit: false };
            PluginManifest? given = isAsked ? null : GivenWitness(folders);
            PairOptions options = new(
                parsed.GetValue(transport)!, [NodeConfiguration.BuiltPlugins, .. folders], bytes,
                parsed.GetValue(port))
            {
                WebPort = parsed.GetValue(web),
                Witness = given is not null ? PairWitness.Given
                    : Enum.Parse<PairWitness>(parsed.GetValue(witness)!, ignoreCase: true),
                GivenWitness = given,
                Etcd = parsed.GetValue(etcd)?.Split(',', StringSplitOptions.TrimEntries) ?? [],
                Addresses = parsed.GetValue(addresses) is [var a, var b] ? (a, b) : null,
            };
            return RunAsync(
                Output.Of(parsed), PairLayout.At(parsed.GetValue(directory)), options,
                parsed.GetValue(detach), cancellation);
        });
        return command;
    }

    /// <summary>
    /// The witness among plugins that are given: it has the pair's register, unless one of ours is
    /// asked for.
    /// </summary>
    /// <exception cref="RefusedException">There are several.</exception>
    internal static PluginManifest? GivenWitness(IReadOnlyList<string> folders)
    {
        PluginManifest[] all =
        [
            .. PluginCatalog.Find(folders).Select(static found => found.Good)
                .OfType<PluginManifest>()
                .Where(static manifest => manifest.Kind == PluginKind.Witness),
        ];
        return all.Length < 2 ? all.FirstOrDefault() : throw new RefusedException(new Refusal(
            "--plugin", "at most one witness, which has the pair's register",
            string.Join(" and ", all.Select(static manifest => manifest.Id)),
            "leave one out, or say --witness and name both in the nodes' configuration"));
    }

    /// <summary>The option to come back once the pair is ready.</summary>
    internal static Option<bool> DetachOption() => new("--detach")
    {
        Description = "return once both nodes are ready",
    };

    /// <summary>The option for the size of volumes.</summary>
    internal static Option<string> SizeOption(string usual)
    {
        Option<string> size = new("--size")
        {
            Description = "size of each volume, such as 512M or 1G",
            DefaultValueFactory = _ => usual,
        };
        size.Validators.Add(result => Check(
            result, ByteSize.TryParse(result.GetValueOrDefault<string>(), out _),
            "--size takes a multiple of 4K, at least 1M, such as 512M or 1G."));
        return size;
    }

    /// <summary>The option for the service addresses.</summary>
    internal static Option<int> PortOption()
    {
        Option<int> port = new("--nbd-port")
        {
            Description = "TCP port of vol0's service address; vol1 has the next",
            DefaultValueFactory = _ => 10809,
        };
        port.Validators.Add(result => Check(
            result, result.GetValueOrDefault<int>() is > 0 and < 65534,
            "--nbd-port takes 1 to 65533."));
        return port;
    }

    private static Option<int> WebPortOption()
    {
        Option<int> port = new("--web-port")
        {
            Description = "TCP port of a's page and HTTP API; b has the next; 0 for neither",
            DefaultValueFactory = _ => 8441,
        };
        port.Validators.Add(result => Check(
            result, result.GetValueOrDefault<int>() is >= 0 and < 65535,
            "--web-port takes 0 to 65534."));
        return port;
    }

    /// <summary>Starts nodes and waits until the pair is ready, or says what it lacks.</summary>
    internal static async Task<int> StartAsync(
        Output output,
        PairLayout pair,
        IReadOnlyList<string> names,
        bool wait,
        CancellationToken cancellation)
    {
        long begin = Stopwatch.GetTimestamp();
        List<(string Name, int Pid)> processes = [];
        RequireStopped(pair, names);
        foreach (string name in names)
        {
            processes.Add((name, await NodeProcess.StartAsync(pair, name, cancellation)));
        }

        return wait
            ? await WaitAsync(output, pair, processes, begin, cancellation)
            : ExitCode.Good;
    }

    /// <summary>Says that none of the nodes may run.</summary>
    internal static void RequireStopped(PairLayout pair, IReadOnlyList<string> names)
    {
        foreach (string name in names)
        {
            if (NodeProcess.Find(pair, name) is { } running)
            {
                throw new RefusedException(new Refusal(
                    $"node {name}", "not to run yet", $"process {running}",
                    "storageos status shows it, storageos stop ends it"));
            }
        }
    }

    private static async Task<int> RunAsync(
        Output output,
        PairLayout pair,
        PairOptions options,
        bool detach,
        CancellationToken cancellation)
    {
        foreach (string folder in options.PluginFolders.Where(f => !System.IO.Directory.Exists(f)))
        {
            throw new RefusedException(
                new Refusal($"--plugin {folder}", "a folder with a plugin.json", "nothing"));
        }

        RequireStopped(pair, PairLayout.Names); // Before what they are configured by is changed.
        pair.Make(options);
        return await RunMadeAsync(output, pair, detach, cancellation);
    }

    /// <summary>Starts a pair that was made, and shows it unless it is left alone.</summary>
    internal static async Task<int> RunMadeAsync(
        Output output, PairLayout pair, bool detach, CancellationToken cancellation)
    {
        int code = await StartAsync(output, pair, PairLayout.Names, detach, cancellation);
        if (detach)
        {
            return code;
        }

        await StatusCommand.WatchAsync(pair, cancellation);
        output.Say("both nodes go on; storageos stop ends them");
        return ExitCode.Good;
    }

    private static async Task<int> WaitAsync(
        Output output,
        PairLayout pair,
        List<(string Name, int Pid)> processes,
        long begin,
        CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(LookAgain);
        PairStatus status;
        do
        {
            status = await PairStatus.AskAsync(pair, cancellation);
            foreach ((string name, int pid) in processes)
            {
                if (!NodeProcess.Runs(pid))
                {
                    throw new RefusedException(new Refusal(
                        $"node {name}", "to boot", NodeProcess.LastWords(pair, name),
                        $"see {pair.Log(name)}"));
                }
            }
        }
        while (status.Lacks.Count > 0 && Stopwatch.GetElapsedTime(begin) < ReadyTimeMaxOf(pair)
            && await timer.WaitForNextTickAsync(cancellation));

        if (output.Json)
        {
            Output.Write(status.ToJson());
        }
        else if (status.Lacks.Count == 0)
        {
            double seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
            output.Say($"both nodes are ready after {seconds:F1} s, in {pair.Directory}");
            if (status.PageUrl is { } url && pair.Tokens.PageOf(url) is { } page)
            {
                output.Say($"dashboard: {page}");
            }
        }
        else
        {
            Output.Tables().Write(StatusTable.Of(status));
        }

        return status.Lacks.Count == 0 ? ExitCode.Good : ExitCode.Degraded;
    }

    private static TimeSpan ReadyTimeMaxOf(PairLayout pair) =>
        pair.Guests is null ? ReadyTimeMax : GuestReadyTimeMax;

    private static void Check(
        System.CommandLine.Parsing.SymbolResult result, bool good, string expectation)
    {
        if (!good)
        {
            result.AddError(expectation);
        }
    }
}
