using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Pair.Tests;

/// <summary>The HTTP API of real nodes, asked as a browser, a monitor or a script asks it.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class ManagementTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    [Fact]
    [Raises("api-listens", "operator-acted", "operator-denied", "operator-refused")]
    public async Task An_operator_moves_a_group_and_a_viewer_only_looks()
    {
        await using PairRun pair = await StartedAsync();
        using HttpClient a = Ask(pair, "a", AddUser(pair, "operator", "alice"));
        using HttpClient b = Ask(pair, "b", AddUser(pair, "viewer", "vic"));
        Assert.Equal(
            """{"node":"a","name":"alice","role":"operator"}""",
            await a.GetStringAsync("api/v1/whoami"));
        JsonNode check = await PostAsync(a, "takeover", """{"group":1,"check":true}""");
        Assert.True(check["result"]!["groups"]![0]!["possible"]!.GetValue<bool>());
        await PostAsync(b, "takeover", """{"group":0}""", HttpStatusCode.Forbidden);
        await PostAsync(b, "scrub", "{}", HttpStatusCode.Forbidden);
        Assert.Equal("a b", pair.Owners("a"));

        await PostAsync(a, "takeover", """{"group":1}""");
        Assert.Equal("a a", pair.Owners("a"));
        Assert.Contains("alice at 127.0.0.1 asked for takeover of group 1: done", pair.Log("a"));
        Assert.Contains("vic at 127.0.0.1 asked for takeover of group 0", pair.Log("b"));
        JsonNode no = await PostAsync(
            a, "giveback", """{"group":1}""", HttpStatusCode.Conflict);
        Assert.Equal("ask the partner", $"{no["refusal"]!["remedy"]}");
        await PostAsync(
            a, "takeover", """{"group":0,"override":["no/name"]}""", HttpStatusCode.Conflict);
        pair.NoteEvents();
        await pair.InSyncAsync();
        using HttpClient operatorOfB = Ask(pair, "b", AddUser(pair, "operator", "bob"));
        await PostAsync(operatorOfB, "giveback", """{"group":1}""");
        Assert.Equal("a b", pair.Owners("b"));
    }

    [Fact]
    [Raises("tokens-unread", "token-refused")]
    public async Task Nobody_comes_in_without_a_token_and_who_is_taken_out_is_out_at_once()
    {
        await using PairRun pair = await StartedAsync();
        string token = AddUser(pair, "operator", "alice");
        using HttpClient known = Ask(pair, "a", token);
        using HttpClient nobody = Ask(pair, "a", null);
        using HttpClient wrong = Ask(pair, "a", "guess");
        foreach (string path in new[] { "api/v1/status", "api/v1/stream", "metrics" })
        {
            Assert.Equal(HttpStatusCode.OK, await CodeAsync(known, path));
            Assert.Equal(HttpStatusCode.Unauthorized, await CodeAsync(nobody, path));
        }

        // What tells nothing of the node is there for who has no token yet.
        Assert.Equal(HttpStatusCode.OK, await CodeAsync(nobody, ""));
        Assert.Equal(HttpStatusCode.OK, await CodeAsync(nobody, "livez"));
        Assert.Equal(HttpStatusCode.OK, await CodeAsync(nobody, "readyz"));
        Assert.Equal(HttpStatusCode.Unauthorized, await CodeAsync(nobody, "readyz?verbose"));

        // A stream that is open ends with its token.
        Stream stream = await known.GetStreamAsync("api/v1/stream");
        Task reading = Task.Run(() => ReadAsync(stream, []));
        string file = Path.Combine(pair.Folder, "tokens");
        string[] lines = File.ReadAllLines(file);
        File.WriteAllLines(file, lines.Where(line => !line.Contains("alice")));
        Assert.Equal(HttpStatusCode.Unauthorized, await CodeAsync(known, "api/v1/status"));

        await reading.WaitAsync(Soon);

        // Whoever guesses is not heard any more; others of that address are.
        HttpStatusCode last = default;
        for (int guess = 0; guess < 12; guess++)
        {
            last = await CodeAsync(wrong, "api/v1/status");
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, last);
        File.WriteAllLines(file, lines);
        Assert.Equal(HttpStatusCode.OK, await CodeAsync(known, "api/v1/status"));

        // A link in the file's place, as secrets are handed out: what counts is what is in it.
        File.Move(file, file + ".1");
        File.CreateSymbolicLink(file, file + ".1");
        Assert.Equal(HttpStatusCode.OK, await CodeAsync(known, "api/v1/status"));
        File.WriteAllText(file + ".1", "");
        Assert.NotEqual(HttpStatusCode.OK, await CodeAsync(known, "api/v1/status"));

        // Both a wrong line and a file that is gone let nobody in, and are told of.
        File.WriteAllText(file + ".1", "operator alice\n");
        Assert.NotEqual(HttpStatusCode.OK, await CodeAsync(known, "api/v1/status"));
        File.Delete(file + ".1");
        Assert.NotEqual(HttpStatusCode.OK, await CodeAsync(known, "api/v1/status"));
        pair.NoteEvents();
    }

    [Fact]
    public async Task Requests_over_the_limit_are_answered_so_and_the_node_serves_on()
    {
        await using PairRun pair = await StartedAsync(node => node["requestsPerSecond"] = 5);
        using HttpClient client = Ask(pair, "a", AddUser(pair, "viewer", "vic"));
        HttpStatusCode[] codes = await Task.WhenAll(
            Enumerable.Range(0, 60).Select(_ => CodeAsync(client, "api/v1/whoami")));
        Assert.Contains(HttpStatusCode.OK, codes);
        Assert.Contains(HttpStatusCode.TooManyRequests, codes);
        pair.Compare(pair.WriteBytes(1 << 20));
        using HttpRequestMessage large = new(HttpMethod.Post, "api/v1/takeover")
        {
            Content = new StringContent(new string('x', 1 << 20)),
        };
        await PairRun.UntilAsync(
            () => CodeAsync(client, "api/v1/whoami").Result == HttpStatusCode.OK,
            "who waits is heard again");
        using HttpResponseMessage refused = await client.SendAsync(large);
        Assert.True((int)refused.StatusCode is >= 400 and < 500, $"{refused.StatusCode}");
    }

    [Fact]
    public async Task What_cannot_be_read_is_refused_with_what_was_expected()
    {
        await using PairRun pair = await StartedAsync();
        using HttpClient client = Ask(pair, "a", AddUser(pair, "operator", "alice"));
        foreach (string body in new[] { "", "x", "[]", "{}", """{"group":"x"}""",
            """{"group":7}""", """{"groups":1}""", """{"group":1,"chek":true}""",
            """{"group":0,"group":1}""" })
        {
            using HttpResponseMessage answer = await client.PostAsync(
                "api/v1/takeover", new StringContent(body, Encoding.UTF8, "application/json"));
            JsonNode said = (await answer.Content.ReadFromJsonAsync<JsonNode>())!;
            Assert.True((int)answer.StatusCode is 400 or 409, $"{answer.StatusCode} of {body}");
            Assert.NotEmpty($"{said["refusal"]!["expected"]}");
        }

        Assert.Equal(HttpStatusCode.BadRequest, await CodeAsync(client, "api/v1/events?since=x"));
        Assert.Equal(HttpStatusCode.NotFound, await CodeAsync(client, "api/v2/status"));
        Assert.Equal("a b", pair.Owners("a"));
        JsonNode document = JsonNode.Parse(await client.GetStringAsync("openapi/v1.json"))!;
        Assert.Equal(
            [
                "/api/v1/events", "/api/v1/giveback", "/api/v1/recorder", "/api/v1/scrub",
                "/api/v1/status", "/api/v1/stream", "/api/v1/takeover", "/api/v1/trace",
                "/api/v1/trace/stop", "/api/v1/whoami", "/livez", "/readyz",
            ],
            document["paths"]!.AsObject().Select(path => path.Key).Order());
    }

    [Fact]
    public async Task A_stream_tells_what_changes_and_names_the_partner_of_a_node_that_dies()
    {
        await using PairRun pair = await StartedAsync();
        using HttpClient client = Ask(pair, "b", AddUser(pair, "viewer", "vic"));
        Stream stream = await client.GetStreamAsync("api/v1/stream");
        SortedDictionary<string, List<JsonNode>> told = [];
        Task reading = Task.Run(() => ReadAsync(stream, told));
        int Count(string kind, Func<JsonNode, bool> which)
        {
            lock (told)
            {
                return told.GetValueOrDefault(kind, []).Count(which);
            }
        }

        await PairRun.UntilAsync(
            () => Count("status", one => $"{one["partnerUrl"]}" == Url(pair, "a")) > 0,
            "b knows where a's page is");
        await pair.KillAsync("a");
        await PairRun.UntilAsync(
            () => Count("event", one => $"{one["event"]}" == "register-swapped") > 0, "the event");
        await PairRun.UntilAsync(
            () => Count("status", one => $"{one["node"]!["volumes"]![0]!["owner"]}" == "b") > 0,
            "the status");
        string file = pair.WriteBytes(8 << 20);
        await PairRun.UntilAsync(
            () => Count("rates", one => (one["volumes"] as JsonArray)!.Any(volume =>
                $"{volume!["name"]}" == "vol0" && volume["writeP99Us"]!.GetValue<double>() > 0))
                > 0, "rates of what was written");
        pair.Compare(file);
        Assert.Equal(
            Url(pair, "a"),
            $"{JsonNode.Parse(await client.GetStringAsync("api/v1/status"))!["partnerUrl"]}");
        using HttpResponseMessage ready = await client.GetAsync("readyz?verbose");
        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
        Assert.Contains("[!]session", await ready.Content.ReadAsStringAsync());

        // A node that stops ends its streams and waits for nobody.
        Assert.Equal(0, pair.Ask("stop", "b").Code);
        await reading.WaitAsync(Soon);
    }

    [Fact]
    public async Task Metrics_say_what_the_status_says()
    {
        await using PairRun pair = await StartedAsync();
        using HttpClient client = Ask(pair, "a", AddUser(pair, "viewer", "monitor"));
        pair.Compare(pair.WriteBytes(8 << 20));
        string[] lines = (await client.GetStringAsync("metrics")).Split('\n');
        string Value(string metric) => Assert.Single(
            lines, line => line.StartsWith(metric + "{", StringComparison.Ordinal)
                || line.StartsWith(metric + " ", StringComparison.Ordinal)).Split(' ')[^1];
        Assert.Equal("1", Value("storageos_node_protected"));
        Assert.Equal("1", Value("storageos_session_ready"));
        Assert.Equal("0", Value("storageos_takeovers_false"));
        Assert.Contains(lines, line =>
            line.StartsWith("storageos_export_io_bytes_total", StringComparison.Ordinal)
            && line.Contains("operation=\"write\"") && line.Contains("volume=\"vol0\"")
            && long.Parse(line.Split(' ')[^1]) >= 8 << 20);
        Assert.Contains(lines, line =>
            line.StartsWith("storageos_export_duration_seconds_bucket", StringComparison.Ordinal));
        long Sum(string metric, string tag) => lines
            .Where(line => line.StartsWith(metric + "{", StringComparison.Ordinal)
                && line.Contains(tag, StringComparison.Ordinal))
            .Sum(static line => long.Parse(line.Split(' ')[^1]));
        Assert.True(Sum("storageos_log_appended_bytes_total", "group=\"0\"") >= 8 << 20);
        Assert.True(Sum("storageos_log_mirror_duration_seconds_count", "group=\"0\"") > 0);
        Assert.True(Sum("storageos_disk_io_bytes_total", "operation=\"write\"") > 0);
        Assert.Equal(2, lines.Count(
            line => line.StartsWith("storageos_log_capacity_bytes{", StringComparison.Ordinal)));

        // What dashboards and alerts ask for is there, but for what only trouble, TLS and the level
        // power have.
        string[] asked = Asked();
        Assert.True(asked.Length > 15);
        Assert.Equal(
            [
                "storageos_certificate_left_seconds",
                "storageos_disk_flush_duration_seconds_bucket", "storageos_hindrances",
            ],
            asked.Where(name => !lines.Any(
                line => line.StartsWith(name, StringComparison.Ordinal))).Order());

        await pair.KillAsync("b");
        await PairRun.UntilAsync(() => pair.Owners("a") == "a a", "a has both");
        lines = (await client.GetStringAsync("metrics")).Split('\n');
        Assert.Equal("0", Value("storageos_node_protected"));
        Assert.Equal("0", Value("storageos_session_ready"));
    }

    [Fact]
    [Raises("certificate-renewed", "certificate-unread")]
    public async Task Other_than_loopback_addresses_speak_TLS_alone_and_a_renewed_certificate_is_used()
    {
        await using PairRun pair = new() { WebPort = DrillCommand.FreePorts() };
        pair.Make();
        (string certificate, string key) = pair.MakeCertificate("node-a");
        Management(pair, "a", its => its["listen"] = $"0.0.0.0:{pair.WebPort}");
        Management(pair, "b", its =>
        {
            its["listen"] = $"0.0.0.0:{pair.WebPort + 1}";
            its["url"] = $"https://127.0.0.1:{pair.WebPort + 1}";
            its["certificate"] = certificate;
            its["certificateKey"] = key;
        });
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        await PairRun.UntilAsync(() => pair.Reason("a", "management").Length > 0, "refused");
        Assert.Contains("all but loopback addresses speak TLS alone", pair.Reason("a", "management"));
        using HttpClientHandler trusting = new()
        {
            ServerCertificateCustomValidationCallback =
                (_, its, _, _) => its!.Subject == "CN=node-a",
        };
        using HttpClient client = new(trusting)
        {
            BaseAddress = new Uri($"https://127.0.0.1:{pair.WebPort + 1}"),
        };
        await PairRun.UntilAsync(() => pair.Client("b", "management").Length > 0, "it runs");
        Assert.Equal("ok\n", await client.GetStringAsync("livez"));
        using HttpClient plain = new() { BaseAddress = new Uri($"http://127.0.0.1:{pair.WebPort + 1}") };
        await Assert.ThrowsAsync<HttpRequestException>(() => plain.GetStringAsync("livez"));
        await RenewsAsync(pair, certificate, key);
    }

    /// <summary>Nobody restarts a node each three months for a certificate.</summary>
    private static async Task RenewsAsync(PairRun pair, string certificate, string key)
    {
        Assert.Equal("CN=node-a", await ShownAsync(pair.WebPort + 1));
        string before = File.ReadAllText(key);
        pair.MakeCertificate("node-a-renewed");
        string after = File.ReadAllText(key);
        File.WriteAllText(key, before); // A certificate without its key, for a while.
        await PairRun.UntilAsync(
            () => ShownAsync(pair.WebPort + 1).Result == "CN=node-a"
                && pair.NoteEvents().Contains("certificate-unread"),
            "that they do not belong together is told");
        Assert.Equal("CN=node-a", await ShownAsync(pair.WebPort + 1));
        File.WriteAllText(key, after);
        string shown = "";
        await PairRun.UntilAsync(
            () => (shown = ShownAsync(pair.WebPort + 1).Result) == "CN=node-a-renewed",
            "the renewed one is shown");
        Assert.Contains("certificate-renewed", pair.NoteEvents());
        long left = pair.Node("b")["sections"]!["management"]!["certificateSecondsLeft"]!
            .GetValue<long>();
        Assert.InRange(left, 86_400, 2 * 86_400);
    }

    /// <summary>Who a server says that it is.</summary>
    private static async Task<string> ShownAsync(int port)
    {
        using TcpClient client = new("127.0.0.1", port);
        using SslStream stream = new(client.GetStream(), false, static (_, its, _, _) =>
            its!.Subject.StartsWith("CN=node-a", StringComparison.Ordinal));
        await stream.AuthenticateAsClientAsync("127.0.0.1");
        return stream.RemoteCertificate!.Subject;
    }

    [Fact]
    public async Task An_address_that_takes_all_connections_it_can_have_leaves_some_for_others()
    {
        await using PairRun pair = await StartedAsync();
        List<TcpClient> held = [];
        try
        {
            while (held.Count < 64 && await StaysAsync(held, pair.WebPort, "127.0.0.1"))
            {
            }

            Assert.InRange(held.Count, 50, 64); // A page or a status may have some.
            Assert.False(await StaysAsync(held, pair.WebPort, "127.0.0.1"));
            Assert.True(await StaysAsync(held, pair.WebPort, "127.0.0.2"));
            held[0].Dispose();
            await PairRun.UntilAsync(
                () => StaysAsync(held, pair.WebPort, "127.0.0.1").Result, "one place is free");
        }
        finally
        {
            held.ForEach(static one => one.Dispose());
        }
    }

    /// <summary>Whether another connection of that address is answered, and is kept then.</summary>
    private static async Task<bool> StaysAsync(List<TcpClient> held, int port, string from)
    {
        TcpClient client = new(new IPEndPoint(IPAddress.Parse(from), 0));
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port);
            await client.GetStream().WriteAsync(
                Encoding.ASCII.GetBytes("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"));
            if (await client.GetStream().ReadAsync(new byte[1]) == 1)
            {
                held.Add(client);
                return true;
            }
        }
        catch (Exception reset) when (reset is IOException or SocketException)
        {
            // Ended with a reset rather than in good order: not let in, either way.
        }

        client.Dispose();
        return false;
    }

    /// <summary>Every metric that a rule or a panel names.</summary>
    private static string[] Asked() =>
    [
        .. Directory.GetFiles(Path.Combine(
                PairRun.Root, "Plugins", "Clients", "Management", "Monitoring"))
            .SelectMany(file => Regex.Matches(File.ReadAllText(file), "storageos_[a-z_]+"))
            .Select(match => match.Value).Distinct(),
    ];

    [Fact]
    public async Task What_is_no_socket_of_the_node_is_left_as_it_is()
    {
        await using PairRun pair = new() { WebPort = DrillCommand.FreePorts() };
        pair.Make();
        string somebodys = Path.Combine(pair.Folder, "tokens");
        Management(pair, "a", its => its["socket"] = somebodys);
        Management(pair, "b", its =>
            its["socket"] = Path.Combine(pair.Folder, "other.sock"));
        using Socket other = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        other.Bind(new UnixDomainSocketEndPoint(Path.Combine(pair.Folder, "other.sock")));
        other.Listen();
        string before = File.ReadAllText(somebodys);
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        foreach (string node in new[] { "a", "b" })
        {
            await PairRun.UntilAsync(
                () => pair.Reason(node, "management").Contains("socket"), $"{node} refuses");
        }

        Assert.Equal(before, File.ReadAllText(somebodys));
        Assert.True(Path.Exists(Path.Combine(pair.Folder, "other.sock")));
    }

    private static async Task<PairRun> StartedAsync(Action<JsonNode>? more = null)
    {
        PairRun pair = new() { WebPort = DrillCommand.FreePorts() };
        pair.Make();
        foreach (string node in new[] { "a", "b" })
        {
            Management(pair, node, more ?? (static _ => { }));
            pair.Boot(node);
        }

        await pair.InSyncAsync();
        foreach (string node in new[] { "a", "b" })
        {
            await PairRun.UntilAsync(
                () => pair.Client(node, "management") == "Ready", $"the API of {node}");
        }

        return pair;
    }

    private static void Management(PairRun pair, string node, Action<JsonNode> change) =>
        pair.Configure(node, settings => change(settings["plugins"]!["settings"]!["management"]!));

    private static string Url(PairRun pair, string node) =>
        $"http://127.0.0.1:{pair.WebPort + (node == "a" ? 0 : 1)}";

    private static string AddUser(PairRun pair, string role, string name)
    {
        string token = RandomNumberGenerator.GetHexString(64, lowercase: true);
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(token));
        File.AppendAllText(
            Path.Combine(pair.Folder, "tokens"),
            $"{role} {name} {Convert.ToHexStringLower(hash)}\n");
        return token;
    }

    private static HttpClient Ask(PairRun pair, string node, string? token)
    {
        HttpClient client = new() { BaseAddress = new Uri(Url(pair, node) + "/"), Timeout = Soon };
        client.DefaultRequestHeaders.Authorization =
            token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    private static async Task<HttpStatusCode> CodeAsync(HttpClient client, string path)
    {
        using HttpResponseMessage answer = await client.GetAsync(
            path, HttpCompletionOption.ResponseHeadersRead);
        return answer.StatusCode;
    }

    private static async Task<JsonNode> PostAsync(
        HttpClient client, string action, string body, HttpStatusCode code = HttpStatusCode.OK)
    {
        using HttpResponseMessage answer = await client.PostAsync(
            $"api/v1/{action}", new StringContent(body, Encoding.UTF8, "application/json"));
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == code, $"{answer.StatusCode}: {text}");
        return JsonNode.Parse(text)!;
    }

    private static async Task ReadAsync(
        Stream stream, SortedDictionary<string, List<JsonNode>> told)
    {
        await foreach (System.Net.ServerSentEvents.SseItem<string> item
            in System.Net.ServerSentEvents.SseParser.Create(stream).EnumerateAsync())
        {
            lock (told)
            {
                if (!told.TryGetValue(item.EventType, out List<JsonNode>? its))
                {
                    told[item.EventType] = its = [];
                }

                its.Add(JsonNode.Parse(item.Data)!);
            }
        }
    }
}
