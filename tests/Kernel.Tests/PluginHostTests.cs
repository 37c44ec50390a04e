using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Tests;

/// <summary>
/// Nodes booted with real plugins, good, broken and hostile, around a fake manager.
/// </summary>
public sealed class PluginHostTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(15);

    private readonly TestFolder folder = new();
    private readonly FakeManager manager = new();

    public PluginHostTests() => PluginBuilder.PutTransport(Plugins);

    private string Plugins => folder.File("plugins");

    public void Dispose() => folder.Dispose();

    [Fact]
    [Raises("boot-step", "node-stopping", "node-stopped", "plugin-runs")]
    public async Task A_good_client_is_admitted_started_and_stopped_before_the_session_ends()
    {
        PluginBuilder.Put(Plugins, "good", PluginBuilder.ClientPlugin("good"));
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(Soon);
        Assert.Equal(BootPhase.Serving, node.Phase);
        await node.StopAsync("test");
        Assert.Equal(ModuleState.Stopped, Find(node, "good").State);

        // When all are admitted is told by another task than the one that starts the client.
        string[] calls = [.. manager.Calls.Where(call => call != "phase Recovering")];
        Assert.Equal(
            [
                "start", "phase Connecting", "phase LoadingClients", "admit good",
                "started good", "phase Serving", "stop",
            ],
            calls);
    }

    [Theory]
    [InlineData("throw new InvalidOperationException(\"no\");", "InvalidOperationException: no")]
    [InlineData("", "IClient")]
    [InlineData(
        "registry.Services.AddSingleton<IClient>(_ => throw new Exception(\"late\"));", "late")]
    [InlineData("registry.Provide<IVolumes>();", "provides")]
    public async Task A_plugin_that_fails_to_register_is_refused_and_the_node_boots_on(
        string register, string reason)
    {
        PluginBuilder.Put(Plugins, "bad", PluginBuilder.Entry(register));
        await ExpectRefusedAsync("bad", reason);
    }

    [Theory]
    [InlineData("public class Entry { }", "IPlugin")]
    [InlineData("public class Other { }", "no such type")]
    [InlineData(
        "public class Entry : IPlugin { public Entry() { throw new Exception(\"ctor\"); } "
        + "public void Register(IPluginRegistry r) { } }", "ctor")]
    [InlineData(
        "public class Entry(int n) : IPlugin { public int N => n; "
        + "public void Register(IPluginRegistry r) { } }", "constructor without parameters")]
    [Raises("plugin-refused")]
    public async Task A_plugin_whose_entry_is_wrong_is_refused(string source, string reason)
    {
        PluginBuilder.Put(Plugins, "bad", source);
        await ExpectRefusedAsync("bad", reason);
    }

    [Theory]
    [InlineData("rubbish", "JSON")]
    [InlineData("{}", "key id")]
    [InlineData(
        """{"id":"bad","version":"1","kind":"sausage"}""", "transport or client or witness")]
    [InlineData("""{"id":"bad","colour":"red"}""", "an unknown key")]
    public async Task A_wrong_manifest_is_refused_before_any_code_is_loaded(
        string manifest, string reason)
    {
        PluginBuilder.Put(Plugins, "bad", PluginBuilder.ClientPlugin("bad"));
        File.WriteAllText(Path.Combine(Plugins, "bad", "plugin.json"), manifest);
        await ExpectRefusedAsync("bad", reason);
    }

    [Theory]
    [InlineData("\"0.1\", \"max\": \"0.1\"", "\"0.3\", \"max\": \"0.9\"", "a newer kernel")]
    [InlineData("\"0.1\", \"max\": \"0.1\"", "\"0.0\", \"max\": \"0.0\"", "a newer version of it")]
    [InlineData("bad.dll", "gone.dll", "no such file")]
    [InlineData("bad.dll", "../bad.dll", "without a folder")]
    [InlineData("\"own\"", "\"kernel\"", "storage or own")]
    [InlineData("\"own\"", "\"own\", \"requires\": [\"IPlugin\"]", "StorageOs.Contracts.Services")]
    [InlineData("\"own\"", "\"own\", \"requires\": [\"IVolumes\"]", "a provider of IVolumes")]
    [InlineData(
        "\"own\"", "\"own\", \"requires\": [\"IVolumes[,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,]\"]",
        "StorageOs.Contracts.Services")]
    public async Task A_manifest_that_cannot_be_met_is_refused(
        string text, string replacement, string reason)
    {
        PluginBuilder.Put(Plugins, "bad", PluginBuilder.ClientPlugin("bad"));
        string file = Path.Combine(Plugins, "bad", "plugin.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace(text, replacement));
        await ExpectRefusedAsync("bad", reason);
    }

    [Theory]
    [InlineData(
        "public ulong Meeting { get; init; }",
        "public ulong Meeting { get; init; } public ulong Later { get; init; }",
        "Action<ClientGrant> use = static grant => Console.WriteLine(grant.Later);",
        "found ClientGrant.Later; it needs a newer kernel")]
    [InlineData(
        "public interface IClient\n", "public interface ILater { }\npublic interface IClient\n",
        "Console.WriteLine(typeof(ILater));", "found ILater;")]
    [InlineData(
        "record Refusal(string Subject,", "record Refusal(int Later, string Subject,",
        "Console.WriteLine(new Refusal(1, \"it\", \"this\", \"that\"));", "found Refusal..ctor;")]
    public async Task What_its_code_uses_must_be_there_whatever_its_manifest_says(
        string text, string later, string use, string reason)
    {
        string contracts = PluginBuilder.Contracts(folder.File("later"), text, later);
        PluginBuilder.Put(
            Plugins, "bad", PluginBuilder.ClientPlugin("bad", $"{use} return default;"),
            contracts: contracts);
        await ExpectRefusedAsync("bad", reason);
    }

    [Fact]
    public async Task A_plugin_made_for_later_contracts_runs_if_it_uses_none_of_what_came()
    {
        string contracts = PluginBuilder.Contracts(
            folder.File("later"), "public ulong Meeting { get; init; }",
            "public ulong Meeting { get; init; } public ulong Later { get; init; }");
        PluginBuilder.Put(
            Plugins, "early", PluginBuilder.ClientPlugin(
                "early", "Action<ClientGrant> use = static grant => Console.WriteLine(grant.Meeting);"
                + " return default;"),
            contracts: contracts);
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(Soon);
        Assert.Equal(ModuleState.Running, Find(node, "early").State);
    }

    [Fact]
    public async Task An_assembly_that_is_none_is_refused()
    {
        PluginBuilder.Put(Plugins, "bad", PluginBuilder.ClientPlugin("bad"));
        File.WriteAllText(Path.Combine(Plugins, "bad", "bad.dll"), "not an assembly");
        await ExpectRefusedAsync("bad", "an assembly that can be loaded");
    }

    [Theory]
    [InlineData("public string Name => throw new Exception(\"nameless\");", "nameless")]
    [InlineData("public string Name => null!;", "a command with a name")]
    public async Task A_command_that_gives_no_name_costs_its_plugin_alone(
        string name, string reason)
    {
        PluginBuilder.Put(
            Plugins, "bad",
            PluginBuilder.Entry(
                "registry.Services.AddSingleton<IClient, TheClient>(); "
                + "registry.Services.AddSingleton<IOperatorCommand, Odd>();")
            + PluginBuilder.Client("bad")
            + $"public sealed class Odd : IOperatorCommand {{ {name} "
            + "public ValueTask<JsonNode> RunAsync(JsonObject a, CancellationToken c) => default; }");
        await ExpectRefusedAsync("bad", reason);
    }

    [Theory]
    [InlineData("null!", "needs with a name")]
    [InlineData("new(null!, new VersionRange(1, 1), [], [])", "needs with a name")]
    [InlineData("new(\"bad\", new VersionRange(1, 1), null!, [])", "needs with a name")]
    [InlineData("new(\"odd\", new VersionRange(1, 1), [null!], [])", "can be admitted")]
    [InlineData("throw new Exception(\"needless\")", "needless")]
    public async Task A_client_with_odd_needs_costs_its_plugin_alone(string needs, string reason)
    {
        PluginBuilder.Put(Plugins, "bad", PluginBuilder.ClientPlugin("bad").Replace(
            "Needs { get; } =\n        new(\"bad\", new VersionRange(1, 1), [], []);",
            $"Needs => {needs};", StringComparison.Ordinal));
        await ExpectRefusedAsync("bad", reason);
    }

    [Fact]
    public async Task A_client_that_asks_too_much_is_refused_with_the_managers_word()
    {
        PluginBuilder.Put(Plugins, "bad", PluginBuilder.ClientPlugin("greedy"));
        await ExpectRefusedAsync("bad", "at most 1 GiB");
    }

    [Fact]
    public async Task A_client_that_hangs_in_its_start_holds_up_nobody()
    {
        PluginBuilder.Put(Plugins, "hangs", PluginBuilder.ClientPlugin(
            "hangs", "return new ValueTask(Task.Delay(-1, stopping));"));
        PluginBuilder.Put(Plugins, "good", PluginBuilder.ClientPlugin("good"));
        await using Node node = await BootAsync();
        Assert.True(await Find(node, "good").Started.WaitAsync(Soon));
        Assert.True(await Find(node, "hangs").Constructed.WaitAsync(Soon));
        Assert.Equal(ModuleState.Starting, Find(node, "hangs").State);
        Assert.False(node.Serving.IsCompleted);
    }

    [Theory]
    [InlineData("throw new Exception(\"no\")")]
    [InlineData("Thread.Sleep(-1)")]
    public async Task A_client_that_takes_the_word_of_its_stop_badly_holds_up_no_stop(string what)
    {
        PluginBuilder.Put(Plugins, "bad", PluginBuilder.ClientPlugin(
            "bad", $"stopping.Register(() => {what}); return default;"));
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(Soon);
        await node.StopAsync("test").WaitAsync(Limits.ClientStopTimeMax * 4);
        Assert.Contains("stop", manager.Calls);
    }

    [Fact]
    public async Task A_plugin_that_hangs_while_it_is_made_is_refused_and_costs_nobody_else()
    {
        const string Hang = "Thread.Sleep(-1);";
        PluginBuilder.Put(Plugins, "a-register", PluginBuilder.Entry(Hang));
        PluginBuilder.Put(
            Plugins, "b-services",
            PluginBuilder.Entry(
                $"registry.Services.AddSingleton<IClient>(_ => {{ {Hang} return null!; }});"),
            reactor: "storage");
        foreach (string good in new[] { "c-good", "d-good" })
        {
            PluginBuilder.Put(
                Plugins, good, PluginBuilder.ClientPlugin(good), reactor: "storage");
        }

        await using Node node = await BootAsync(", \"registrationSeconds\": 3");
        await node.Serving.WaitAsync(Soon);
        foreach (string good in new[] { "c-good", "d-good" })
        {
            Assert.Equal(ModuleState.Running, Find(node, good).State);
            Assert.Equal("storage", Find(node, good).Reactor!.Name);
        }

        Refusal register = Find(node, "a-register").Standing.Refusal!;
        Assert.Equal("plugin a-register", register.Subject);
        Assert.Equal("its constructor and Register to return within 3 s", register.Expected);
        Refusal services = Find(node, "b-services").Standing.Refusal!;
        Assert.Equal("plugin b-services", services.Subject);
        Assert.Equal(
            "the construction of its services to return within 3 s", services.Expected);
    }

    [Fact]
    public async Task What_comes_back_late_from_its_constructor_is_disposed_and_never_runs()
    {
        string goOn = folder.File("go-on");
        string Wait(string who) => $$"""
            {
                while (!System.IO.File.Exists("{{goOn}}")) { Thread.Sleep(10); }
                System.IO.File.WriteAllText("{{folder.File(who)}}-made", "");
            }
            """;
        string Mark(string what) => $"System.IO.File.WriteAllText(\"{folder.File(what)}\", \"\");";
        PluginBuilder.Put(Plugins, "register", $$"""
            public sealed class Entry : IPlugin, IDisposable
            {
                public Entry() {{Wait("register")}}
                public void Register(IPluginRegistry registry) { {{Mark("register-runs")}} }
                public void Dispose() { {{Mark("register-disposed")}} }
            }
            """);
        PluginBuilder.Put(
            Plugins, "services",
            PluginBuilder.Entry("registry.Services.AddSingleton<IClient, TheClient>();")
            + PluginBuilder.Client("services")
                .Replace("(IReactor reactor) : IClient", " : IClient, IDisposable")
                .Replace("_ = reactor;", "")
                .Replace("public ClientNeeds Needs { get; } =", $$"""
                    public TheClient() {{Wait("services")}}
                    public void Dispose() { {{Mark("services-disposed")}} }
                    public ClientNeeds Needs { get { {{Mark("services-runs")}} return Mine; } }
                    private static readonly ClientNeeds Mine =
                    """));
        await using Node node = await BootAsync(", \"registrationSeconds\": 3");
        await node.Serving.WaitAsync(Soon);
        File.WriteAllText(goOn, "");
        foreach (string id in new[] { "register", "services" })
        {
            Assert.Equal(ModuleState.Refused, Find(node, id).State);
            Assert.True(SpinWait.SpinUntil(() => File.Exists(folder.File($"{id}-disposed")), Soon));
            Assert.True(File.Exists(folder.File($"{id}-made")));
            Assert.False(File.Exists(folder.File($"{id}-runs")));
            Assert.Null(Find(node, id).Services);
            Assert.Null(Find(node, id).Code);
            Assert.Empty(Find(node, id).Parts.Clients);
        }
    }

    [Theory]
    [InlineData("Thread.Sleep(Timeout.Infinite); return default;", true)]
    [InlineData(
        "reactor.After(TimeSpan.FromMilliseconds(1), () => Thread.Sleep(Timeout.Infinite)); "
            + "return default;", true)]
    [InlineData("return new(Task.Delay(Timeout.Infinite, stopping));", false)]
    public async Task A_client_that_hangs_in_a_callback_is_ended_and_one_that_waits_is_not(
        string start, bool hangs)
    {
        ModuleState becomes = hangs ? ModuleState.Failed : ModuleState.Starting;
        PluginBuilder.Put(Plugins, "slow", PluginBuilder.ClientPlugin("slow", start));
        PluginBuilder.Put(Plugins, "good", PluginBuilder.ClientPlugin("good"));
        await using Node node = await BootAsync(", \"callbackSeconds\": 2");
        _ = SpinWait.SpinUntil(() => Find(node, "slow").State == becomes, Soon);
        await Task.Delay(TimeSpan.FromSeconds(4)); // Twice what a callback may take.
        Assert.Equal(becomes, Find(node, "slow").State);
        Assert.Equal(ModuleState.Running, Find(node, "good").State);
        if (hangs)
        {
            Assert.Equal(
                "TimeoutException: a callback has not returned for 2 s",
                Find(node, "slow").Standing.Reason);
            Assert.Contains("leave slow", manager.Calls); // Its twin does not wait for it.
        }
    }

    [Fact]
    [Raises("plugin-failed")]
    public async Task A_client_whose_callback_throws_is_ended_by_name_and_its_neighbour_lives()
    {
        PluginBuilder.Put(Plugins, "bad", PluginBuilder.ClientPlugin(
            "bad",
            "reactor.After(TimeSpan.FromMilliseconds(1), () => throw new Exception(\"boom\")); "
            + "return default;"));
        PluginBuilder.Put(Plugins, "good", PluginBuilder.ClientPlugin("good"));
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(Soon);
        Assert.True(SpinWait.SpinUntil(() => manager.Calls.Contains("remove bad"), Soon));
        (ModuleState state, string reason, _) = Find(node, "bad").Standing;
        Assert.Equal(ModuleState.Failed, state);
        Assert.Contains("boom", reason, StringComparison.Ordinal);
        Assert.Equal(ModuleState.Running, Find(node, "good").State);
    }

    [Fact]
    public async Task A_service_goes_from_its_provider_to_whoever_requires_it()
    {
        const string Provider = """
            public sealed class Owners : IOwnership
            {
                public GroupOwnership Of(GroupId group) => default;
                public event Action? Changed { add { } remove { } }
            }

            """;
        PluginBuilder.Put(
            Plugins, "z-provider",
            PluginBuilder.Entry(
                "registry.Services.AddSingleton<IOwnership, Owners>(); "
                + "registry.Services.AddSingleton<IClient, TheClient>(); "
                + "registry.Provide<IOwnership>();")
            + Provider + PluginBuilder.Client("provider"),
            more: ", \"provides\": [\"IOwnership\"]");
        PluginBuilder.Put(
            Plugins, "a-user",
            PluginBuilder.Entry(
                "registry.Services.AddSingleton<IClient, TheClient>(); "
                + "registry.Services.AddSingleton<User>();")
            + "public sealed class User(IOwnership ownership) { public object It => ownership; }\n"
            + PluginBuilder.Client("user"),
            more: ", \"requires\": [\"IOwnership\"]");
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(Soon);
        Assert.Equal(ModuleState.Running, Find(node, "a-user").State);
        string[] calls = [.. manager.Calls];
        Assert.True(
            Array.IndexOf(calls, "started provider") < Array.IndexOf(calls, "started user"));
    }

    [Theory]
    [InlineData("", "", "east NotChosen, west NotChosen")]
    [InlineData("\"east\": { \"at\": \"here\" }", "", "east Running, west NotChosen")]
    [InlineData("\"west\": { \"at\": \"here\" }", "", "east NotChosen, west Running")]
    [InlineData("\"east\": { \"a\": 1 }, \"west\": { \"a\": 1 }", "", "east Running, west Running")]
    [InlineData("\"east\": { \"at\": \"here\" }", "\"west\"", "west Running")]
    public async Task Of_several_witnesses_the_one_with_settings_or_the_one_named_is_loaded(
        string settings, string named, string expected)
    {
        foreach (string id in new[] { "east", "west" })
        {
            PutWitness(id);
        }

        await using Node node = await BootAsync($$"""
            , "settings": { {{settings}} } {{(named.Length > 0 ? $", \"clients\": [{named}]" : "")}}
            """);
        await node.Serving.WaitAsync(Soon);
        Assert.Equal(expected, string.Join(", ", node.Modules
            .Where(static module => module.Kind == PluginKind.Witness)
            .Select(static module => $"{module.Id} {module.State}").Order()));
    }

    [Fact]
    public async Task Several_witnesses_reach_whoever_takes_them_each_by_its_id()
    {
        PutWitness("east");
        PutWitness("west");
        PluginBuilder.Put(
            Plugins, "taker",
            PluginBuilder.Entry("registry.Services.AddSingleton<IClient, TheClient>();")
            + PluginBuilder.Client("taker").Replace(
                "IReactor reactor", "IReactor reactor, [FromKeyedServices(\"east\")] IWitness east,"
                + " IEnumerable<IWitness> all")
                .Replace("_ = reactor;", """
                _ = reactor; int count = 0;
                foreach (IWitness one in all) { count++; }
                if (count != 2 || east.Description != "east") { throw new Exception("others"); }
                """),
            more: ", \"uses\": [\"IWitness\"]");
        await using Node node = await BootAsync(
            ", \"clients\": [\"taker\", \"east\", \"west\"]");
        await node.Serving.WaitAsync(Soon);
        (ModuleState state, string why, _) = Find(node, "taker").Standing;
        Assert.True(state == ModuleState.Running, $"{state}: {why}");
    }

    [Fact]
    public async Task A_single_witness_needs_no_settings()
    {
        PutWitness("east");
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(Soon);
        Assert.Equal(ModuleState.Running, Find(node, "east").State);
    }

    [Fact]
    public async Task Without_its_transport_a_node_does_not_boot()
    {
        Directory.Delete(Path.Combine(Plugins, "silent"), recursive: true);
        PluginBuilder.Put(Plugins, "good", PluginBuilder.ClientPlugin("good"));
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => BootAsync());
        Assert.Equal("transport silent", refused.Refusal.Subject);
    }

    [Fact]
    public async Task A_second_node_on_the_same_data_is_refused_with_the_holders_process()
    {
        await using Node node = await BootAsync();
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() => BootAsync());
        Assert.Contains($"process {Environment.ProcessId}", refused.Refusal.Actual);
    }

    [Fact]
    public async Task No_boot_epoch_is_used_twice_whatever_becomes_of_its_file()
    {
        List<ulong> epochs = [];
        foreach (string? content in new[] { null, "", "rubbish of some length" })
        {
            if (content is not null)
            {
                File.WriteAllText(folder.File("data/boot-epoch"), content);
            }

            await using Node node = await BootAsync();
            epochs.Add(node.Info.BootEpoch);
        }

        Assert.Equal(epochs.Order().Distinct(), epochs);
    }

    [Theory]
    [InlineData("stats", "one of status, plugins, follow, stop")]
    public async Task The_management_socket_names_what_it_knows(string command, string expected)
    {
        await using Node node = await BootAsync();
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() =>
            NodeClient.AskAsync(folder.File("manage.sock"), command, null, Soon, default));
        Assert.Contains(expected, refused.Refusal.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_of_a_module_that_ends_meanwhile_is_answered_at_once()
    {
        PluginBuilder.Put(
            Plugins, "ends",
            PluginBuilder.Entry(
                "registry.Services.AddSingleton<IClient, TheClient>(); "
                + "registry.Services.AddSingleton<IOperatorCommand, Last>();")
            + PluginBuilder.Client("ends")
            + "public sealed class Last(IReactor reactor) : IOperatorCommand { "
            + "public string Name => \"last\"; "
            + "public async ValueTask<JsonNode> RunAsync(JsonObject a, CancellationToken c) { "
            + "reactor.Post(_ => throw new Exception(\"the end\"), null); "
            + "await Task.Delay(-1, c); return null; } }");
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(Soon);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(() =>
            NodeClient.AskAsync(folder.File("manage.sock"), "last", null, Soon, default));
        Assert.Equal("ends to run", refused.Refusal.Expected);
        Assert.Contains("the end", refused.Refusal.Actual, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("public string Section => \"odd\";", "JsonValue.Create(double.NaN)", "odd")]
    [InlineData("public string Section => \"odd\";",
        "JsonNode.Parse(new string('[', 62) + new string(']', 62))", "odd")]
    [InlineData("public string Section => null!;", "null", "odd-plugin")]
    [InlineData("public string Section => throw new Exception();", "null", "odd-plugin")]
    public async Task What_one_plugin_reports_oddly_costs_its_own_part_of_the_status(
        string section, string report, string named)
    {
        PluginBuilder.Put(
            Plugins, "odd-plugin",
            PluginBuilder.Entry(
                "registry.Services.AddSingleton<IClient, TheClient>(); "
                + "registry.Services.AddSingleton<IStatusReporter, Odd>();")
            + PluginBuilder.Client("odd-plugin")
            + $"public sealed class Odd : IStatusReporter {{ {section} "
            + $"public JsonNode? Report() => {report}; }}");
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(Soon);
        JsonObject status = (JsonObject)(await NodeClient.AskAsync(
            folder.File("manage.sock"), "status", null, Soon, default))!;
        Assert.Equal("Serving", $"{status["phase"]}");
        Assert.True(status["sections"]!.AsObject().ContainsKey(named));
    }

    [Fact]
    public async Task Clients_wait_for_a_partner_that_comes_in_time()
    {
        PluginBuilder.Put(Plugins, "good", PluginBuilder.ClientPlugin("good"));
        await using Node node = await BootAsync(waitForPartnerMs: 60_000);
        Assert.DoesNotContain("admit good", manager.Calls);
        Assert.Equal(BootPhase.Connecting, node.Phase);
        manager.Session = new SessionId(1, 1, 2, 1);
        await node.Serving.WaitAsync(Soon);
        Assert.Contains("admit good", manager.Calls);
    }

    [Fact]
    public async Task Clients_do_not_wait_for_a_partner_for_ever()
    {
        PluginBuilder.Put(Plugins, "good", PluginBuilder.ClientPlugin("good"));
        await using Node node = await BootAsync(waitForPartnerMs: 50);
        await node.Serving.WaitAsync(Soon);
        Assert.Contains("admit good", manager.Calls);
    }

    [Fact]
    public async Task A_node_that_waits_for_its_partner_can_be_stopped()
    {
        await using Node node = await BootAsync(waitForPartnerMs: 600_000);
        await node.StopAsync("test").WaitAsync(Soon);
    }

    private async Task ExpectRefusedAsync(string id, string reason)
    {
        PluginBuilder.Put(Plugins, "good", PluginBuilder.ClientPlugin("good"));
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(Soon);
        (ModuleState state, string why, Refusal? refusal) = Find(node, id).Standing;
        Assert.Equal(ModuleState.Refused, state);
        Assert.NotNull(refusal);
        Assert.Contains(reason, why, StringComparison.Ordinal);
        Assert.Equal(ModuleState.Running, Find(node, "good").State);
    }

    private void PutWitness(string id) => PluginBuilder.PutWitness(Plugins, id);

    private static Module Find(Node node, string id) =>
        Assert.Single(node.Modules, module => module.Id == id);

    private Task<Node> BootAsync(int waitForPartnerMs) =>
        BootAsync($", \"waitForPartnerMs\": {waitForPartnerMs}");

    private Task<Node> BootAsync(string more = "")
    {
        IReadOnlyList<Refusal> refusals = NodeConfiguration.Load(
            folder.Configuration($$"""
                { "directories": ["plugins"] {{more}} }
                """),
            [],
            out NodeSettings? settings);
        Assert.Empty(refusals);
        return Node.BootAsync(settings!, manager, NullLoggerFactory.Instance);
    }
}
