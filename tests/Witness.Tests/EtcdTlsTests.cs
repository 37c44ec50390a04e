using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using StorageOs.Contracts.Services;
using StorageOs.Witness.Etcd;

namespace StorageOs.Witness.Tests;

/// <summary>Three members that speak TLS and want to see a certificate.</summary>
public sealed class TlsMembers : IAsyncLifetime, IDisposable
{
    private readonly TestFiles files = new();

    internal EtcdCluster Cluster { get; private set; } = null!;

    internal string Authority { get; private set; } = "";

    internal (string Certificate, string Key) Client { get; private set; }

    /// <summary>A certificate that the members do not accept.</summary>
    internal (string Certificate, string Key) Stranger { get; private set; }

    /// <summary>An authority that did not sign the members'.</summary>
    internal string OtherAuthority { get; private set; } = "";

    /// <summary>The right authority, and a certificate for another host.</summary>
    internal (string Certificate, string Key) Elsewhere { get; private set; }

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        (X509Certificate2 authority, Authority) = files.Authority("authority");
        (X509Certificate2 other, OtherAuthority) = files.Authority("other");
        var server = files.Certificate(authority, "server", "127.0.0.1");
        Client = files.Certificate(authority, "client", "127.0.0.9");
        Elsewhere = files.Certificate(authority, "elsewhere", "127.0.0.9");
        Stranger = files.Certificate(other, "stranger", "127.0.0.1");
        Cluster = await EtcdCluster.StartAsync(3, Options(server));
    }

    internal EtcdOptions Options((string Certificate, string Key) server) => new(
        "https", "--cert-file", server.Certificate, "--key-file", server.Key,
        "--client-cert-auth", "--trusted-ca-file", Authority);

    /// <inheritdoc/>
    public async Task DisposeAsync() => await Cluster.DisposeAsync();

    /// <inheritdoc/>
    public void Dispose() => files.Dispose();
}

/// <summary>The witness over TLS, with certificates on both sides.</summary>
[Trait("Category", "Slow")]
public sealed class EtcdTlsTests(TlsMembers members) : IClassFixture<TlsMembers>
{
    private static GroupId Group => Entries.Group;

    [Fact]
    public async Task With_the_authority_and_a_certificate_of_its_own_a_node_swaps()
    {
        using EtcdWitness witness = Open(members.Authority, members.Client);
        await UntilAnsweredAsync(witness);
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(1), default);
        Assert.Equal(SwapResult.Won, swap.Result);
        Assert.Equal(swap.Current, (await witness.ReadAsync(Group, default)).Entry);
        Assert.Contains("https://127.0.0.1", witness.Description);
    }

    [Fact]
    public async Task Members_of_another_authority_are_not_believed()
    {
        using EtcdWitness witness = Open(members.OtherAuthority, members.Client);
        await ExpectRefusedAsync(witness, "certificate");
    }

    [Fact]
    public async Task Without_an_authority_only_what_this_machine_trusts_is_believed()
    {
        using EtcdWitness witness = Open(null, members.Client);
        await ExpectRefusedAsync(witness, "certificate");
    }

    [Fact]
    public async Task A_node_without_a_certificate_gets_no_answer_that_counts()
    {
        using EtcdWitness witness = Open(members.Authority, null);
        await ExpectRefusedAsync(witness, "https://127.0.0.1");
    }

    [Fact]
    public async Task A_node_with_a_strangers_certificate_gets_no_answer_that_counts()
    {
        using EtcdWitness witness = Open(members.Authority, members.Stranger);
        await ExpectRefusedAsync(witness, "https://127.0.0.1");
    }

    [Fact]
    public async Task A_member_whose_certificate_names_another_host_is_not_believed()
    {
        await using EtcdCluster cluster = await EtcdCluster.StartAsync(
            1, members.Options(members.Elsewhere));
        using EtcdWitness witness = Open(
            members.Authority, members.Client, [.. cluster.Addresses]);
        await ExpectRefusedAsync(witness, "RemoteCertificateNameMismatch");
    }

    /// <summary>Refused for that reason, and not because nobody listens yet.</summary>
    private async Task ExpectRefusedAsync(EtcdWitness witness, string reason)
    {
        using EtcdWitness good = Open(members.Authority, members.Client);
        await UntilAnsweredAsync(good);
        WitnessReading reading;
        long from = Stopwatch.GetTimestamp();
        do
        {
            reading = await witness.ReadAsync(Group, default);
            Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
            Assert.True(Stopwatch.GetElapsedTime(from) < TimeSpan.FromSeconds(30), reading.Detail);
        }
        while (reading.Detail.Contains("Connection refused", StringComparison.Ordinal));
        Assert.Contains(reason, reading.Detail);
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(1), default);
        Assert.Equal(SwapResult.Undecided, swap.Result);
    }

    private static async Task UntilAnsweredAsync(EtcdWitness witness)
    {
        long from = Stopwatch.GetTimestamp();
        while (await witness.ReadAsync(Group, default) is
            { Outcome: ReadOutcome.Unavailable } reading)
        {
            Assert.True(Stopwatch.GetElapsedTime(from) < TimeSpan.FromSeconds(30), reading.Detail);
        }
    }

    private EtcdWitness Open(
        string? authority, (string Certificate, string Key)? own, string[]? addresses = null) =>
        Use.Etcd(
            $"test/{Guid.NewGuid():N}", addresses ?? [.. members.Cluster.Addresses],
            ("ca", authority), ("clientCertificate", own?.Certificate), ("clientKey", own?.Key));
}
