using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Services;
using StorageOs.Witness.Etcd;

namespace StorageOs.Witness.Tests;

/// <summary>
/// Three members with users, whose logins expire after a second: the shortest that etcd knows.
/// </summary>
public sealed class MembersWithUsers : IAsyncLifetime, IDisposable
{
    private readonly TestFiles files = new();

    internal const string Prefix = "test/pair";

    internal EtcdCluster Cluster { get; private set; } = null!;

    internal string Password { get; private set; } = "";

    internal string WrongPassword { get; private set; } = "";

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        using RSA key = RSA.Create(2048);
        string pair = files.Put("token.key", key.ExportRSAPrivateKeyPem());
        string open = files.Put("token.pub", key.ExportSubjectPublicKeyInfoPem());
        Password = files.Put("password", "what-nobody-must-see\n");
        WrongPassword = files.Put("wrong", "what-nobody-must-see-either\n");
        Cluster = await EtcdCluster.StartAsync(3, new EtcdOptions(
            "http", "--auth-token",
            $"jwt,pub-key={open},priv-key={pair},sign-method=RS256,ttl=1s"));
        await AddUserAsync("root", "root");
        await AddUserAsync("node", "pair");
        await AddUserAsync("other", "elsewhere");
        await GrantAsync("pair", Prefix, null);
        await GrantAsync("elsewhere", "test/elsewhere", null);
        await Cluster.AskAsync(0, "auth/enable", []);
    }

    /// <summary>Gives a role the right to all keys of a prefix.</summary>
    internal Task GrantAsync(string role, string prefix, string? token) => Cluster.AskAsync(
        0, "auth/role/grant", new JsonObject
        {
            ["name"] = role,
            ["perm"] = new JsonObject
            {
                ["permType"] = "READWRITE",
                ["key"] = Base64($"{prefix}/"),
                ["range_end"] = Base64($"{prefix}0"), // The character behind the slash.
            },
        }, token);

    /// <summary>A login as the administrator.</summary>
    internal async Task<string> RootAsync()
    {
        JsonObject body = new() { ["name"] = "root", ["password"] = "what-nobody-must-see" };
        return $"{(await Cluster.AskAsync(0, "auth/authenticate", body))["token"]}";
    }

    /// <inheritdoc/>
    public async Task DisposeAsync() => await Cluster.DisposeAsync();

    /// <inheritdoc/>
    public void Dispose() => files.Dispose();

    private static string Base64(string text) =>
        Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private async Task AddUserAsync(string user, string role)
    {
        await Cluster.AskAsync(0, "auth/role/add", new JsonObject { ["name"] = role });
        await Cluster.AskAsync(0, "auth/user/add", new JsonObject
        {
            ["name"] = user,
            ["password"] = "what-nobody-must-see",
        });
        await Cluster.AskAsync(
            0, "auth/user/grant", new JsonObject { ["user"] = user, ["role"] = role });
    }
}

/// <summary>The witness with a user of etcd's.</summary>
[Trait("Category", "Slow")]
public sealed class EtcdLoginTests(MembersWithUsers members) : IClassFixture<MembersWithUsers>
{
    private static readonly TimeSpan Expired = TimeSpan.FromSeconds(2.5);

    private static GroupId Group => Entries.Group;

    [Fact]
    public async Task A_login_that_has_expired_is_made_anew_by_the_next_read()
    {
        using EtcdWitness witness = Open("node", members.Password);
        ulong term = await SwapNextAsync(witness);
        await Task.Delay(Expired);
        WitnessReading reading = await witness.ReadAsync(Group, default);
        Assert.Equal((ReadOutcome.Found, term), (reading.Outcome, reading.Entry!.Term.Value));
        await SwapNextAsync(witness);
    }

    [Fact]
    public async Task S3_a_swap_whose_login_has_expired_is_undecided_and_soon_settled()
    {
        using EtcdWitness witness = Open("node", members.Password);
        ulong term = await SwapNextAsync(witness);
        await witness.ReadAsync(Group, default);
        await Task.Delay(Expired);
        RegisterEntry next = Entries.Of(term + 1);
        SwapOutcome swap = await witness.TrySwapAsync(Group, next, default);
        Assert.Equal(SwapResult.Undecided, swap.Result);
        Assert.Contains("Unauthenticated", swap.Detail);
        RegisterEntry settled = await Use.SettleAsync(witness, term + 1);
        Assert.NotEqual(next.SwapId, settled.SwapId);
    }

    [Fact]
    public async Task A_change_of_rights_ends_no_service()
    {
        using EtcdWitness witness = Open("node", members.Password);
        await SwapNextAsync(witness);
        await members.GrantAsync(
            "elsewhere", $"test/{Guid.NewGuid():N}", await members.RootAsync());
        Assert.Equal(ReadOutcome.Found, (await witness.ReadAsync(Group, default)).Outcome);
        await SwapNextAsync(witness);
    }

    [Fact]
    public async Task A_wrong_password_is_said_without_it_and_not_tried_with_every_read()
    {
        using EtcdWitness witness = Open("node", members.WrongPassword);
        WitnessReading first = await witness.ReadAsync(Group, default);
        Assert.Equal(ReadOutcome.Unavailable, first.Outcome);
        Assert.Contains("the login as node is refused", first.Detail);
        Assert.DoesNotContain("nobody-must-see", first.Detail + witness.Description);
        int before = await members.Cluster.CallsAsync("Authenticate");
        for (int read = 0; read < 5; read++)
        {
            Assert.Equal(first, await witness.ReadAsync(Group, default));
        }

        Assert.Equal(before, await members.Cluster.CallsAsync("Authenticate"));
    }

    [Fact]
    public async Task A_user_without_the_right_to_the_register_is_told_so()
    {
        using EtcdWitness witness = Open("other", members.Password);
        WitnessReading reading = await witness.ReadAsync(Group, default);
        Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
        Assert.Contains("PermissionDenied", reading.Detail);
    }

    [Fact]
    public async Task Nobodys_request_is_refused()
    {
        using EtcdWitness witness = Use.Etcd(
            MembersWithUsers.Prefix, [.. members.Cluster.Addresses]);
        WitnessReading reading = await witness.ReadAsync(Group, default);
        Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
        Assert.Contains("user name is empty", reading.Detail);
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(1), default);
        Assert.Equal(SwapResult.Undecided, swap.Result);
    }

    [Fact]
    public async Task A_login_where_etcd_knows_no_users_is_refused()
    {
        await using EtcdCluster cluster = await EtcdCluster.StartAsync(1);
        using EtcdWitness witness = Open("node", members.Password, [.. cluster.Addresses]);
        WitnessReading reading = await witness.ReadAsync(Group, default);
        Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
        Assert.Contains("authentication is not enabled", reading.Detail);
    }

    /// <summary>Swaps until it has won; a login may expire just before any swap.</summary>
    private static async Task<ulong> SwapNextAsync(EtcdWitness witness)
    {
        string why = "";
        for (int attempt = 0; attempt < 5; attempt++)
        {
            WitnessReading reading = await witness.ReadAsync(Group, default);
            Assert.True(reading.Outcome != ReadOutcome.Unavailable, reading.Detail);
            ulong term = (reading.Entry?.Term.Value ?? 0) + 1;
            SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(term), default);
            if (swap.Result == SwapResult.Won)
            {
                return term;
            }

            why = swap.Detail;
        }

        Assert.Fail(why);
        return 0;
    }

    private EtcdWitness Open(string user, string passwordFile, string[]? addresses = null) =>
        Use.Etcd(
            MembersWithUsers.Prefix, addresses ?? [.. members.Cluster.Addresses],
            ("user", user), ("passwordFile", passwordFile), ("deadlineMs", "5000"));
}
