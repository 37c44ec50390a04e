using StorageOs.Contracts.Runtime;
using StorageOs.Witness.Etcd;

namespace StorageOs.Witness.Tests;

/// <summary>What can be set, and what is said of what is wrong.</summary>
public sealed class EtcdSettingsTests : IDisposable
{
    private const string Good = "http://127.0.0.1:2379";
    private readonly TestFiles files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void Addresses_may_be_a_list_or_one_text()
    {
        EtcdSettings one = Use.Settings(
            ("endpoints", "http://a:1, http://b:2"), ("prefix", "pairs/x/"));
        EtcdSettings list = Use.Settings(
            ("endpoints:0", "http://a:1"), ("endpoints:1", "http://b:2"), ("prefix", "pairs/x"));
        Assert.Equal(one.Endpoints, list.Endpoints);
        Assert.Equal(2, one.Endpoints.Count);
        Assert.Equal(("pairs/x", "pairs/x"), (one.Prefix, list.Prefix));
        Assert.Equal(TimeSpan.FromSeconds(2), one.Deadline);
    }

    [Theory]
    [InlineData("endpoints", null, "1 to 9 different addresses", "0")]
    [InlineData("endpoints", "127.0.0.1:2379", "http://127.0.0.1:2379", "127.0.0.1:2379")]
    [InlineData("endpoints", "ftp://a:1", "all http or all https", "ftp://a:1")]
    [InlineData("endpoints", "http://a:1/path", "addresses", "http://a:1/path")]
    [InlineData("endpoints", "http://a:1,http://a:1", "different", "beside")]
    [InlineData("endpoints", "http://a:1,https://a:2", "all http or all https", "beside")]
    [InlineData("endpoints", "http://a:1,", "addresses", "\"\"")]
    [InlineData("prefix", null, "what the keys of this pair", "nothing")]
    [InlineData("prefix", "/", "what the keys of this pair", "\"/\"")]
    [InlineData("prefix", "with space", "printable", "with space")]
    [InlineData("deadlineMs", "99", "100 to 10000 milliseconds", "99")]
    [InlineData("deadlineMs", "10001", "100 to 10000 milliseconds", "10001")]
    [InlineData("deadlineMs", "soon", "100 to 10000 milliseconds", "soon")]
    [InlineData("ca", "/ca.pem", "nothing without TLS", "http")]
    [InlineData("clientKey", "/key.pem", "nothing without TLS", "http")]
    [InlineData("user", "node", "both of user and passwordFile", "one")]
    [InlineData("passwordFile", "/password", "both of user and passwordFile", "one")]
    [InlineData("colour", "red", "endpoints, prefix, deadlineMs", "colour")]
    public void What_is_wrong_is_refused_with_expectation_finding_and_remedy(
        string key, string? value, string expected, string actual)
    {
        Dictionary<string, string?> settings = new()
        {
            ["endpoints"] = Good,
            ["prefix"] = "p",
        };
        settings[key] = value;
        Refusal refusal = Refused([.. settings.Select(static s => (s.Key, s.Value))]);
        Assert.Contains("witness-etcd", refusal.Subject);
        Assert.Contains(expected, refusal.Expected);
        Assert.Contains(actual, refusal.Actual);
        Assert.Contains("plugins:settings:witness-etcd", refusal.Remedy);
    }

    [Fact]
    public void A_password_in_an_address_is_refused_and_not_repeated()
    {
        Refusal refusal = Refused(("endpoints", "http://me:secret@a:1"), ("prefix", "p"));
        Assert.DoesNotContain("secret", refusal.ToString());
    }

    [Fact]
    public void A_password_file_that_others_may_read_is_refused()
    {
        string path = files.Put("password", "secret", open: true);
        Refusal refusal = Refused(
            ("endpoints", Good), ("prefix", "p"), ("user", "me"), ("passwordFile", path));
        Assert.Contains($"chmod 600 {path}", refusal.Expected);
        Assert.DoesNotContain("secret", refusal.ToString());
    }

    [Theory]
    [InlineData("", "a password")]
    [InlineData("\n", "a password")]
    [InlineData(null, "a file that can be read")]
    public void A_password_file_without_a_password_is_refused(string? text, string expected)
    {
        string path = files.Put("password", text ?? "");
        Refusal refusal = Refused(
            ("endpoints", Good), ("prefix", "p"), ("user", "me"),
            ("passwordFile", text is null ? path + ".gone" : path));
        Assert.Contains(expected, refusal.Expected);
    }

    [Theory]
    [InlineData("ca", "PEM with one certificate or several")]
    [InlineData("clientCertificate", "both of clientCertificate and clientKey")]
    public void Certificate_files_without_certificates_are_refused(string key, string expected)
    {
        string path = files.Put("file", "rubbish");
        Refusal refusal = Refused(
            ("endpoints", "https://a:1"), ("prefix", "p"), (key, path));
        Assert.Contains(expected, refusal.Expected);
    }

    [Fact]
    public void A_key_that_is_not_the_certificates_is_refused()
    {
        var (authority, _) = files.Authority("authority");
        string certificate = files.Certificate(authority, "one", "127.0.0.1").Certificate;
        string key = files.Certificate(authority, "two", "127.0.0.1").Key;
        Refusal refusal = Refused(
            ("endpoints", "https://a:1"), ("prefix", "p"), ("clientCertificate", certificate),
            ("clientKey", key));
        Assert.Contains("with the key of clientKey", refusal.Expected);
        authority.Dispose();
    }

    [Fact]
    public void A_relative_path_is_refused()
    {
        Refusal refusal = Refused(
            ("endpoints", "https://a:1"), ("prefix", "p"), ("ca", "ca.pem"));
        Assert.Contains("full path", refusal.Expected);
    }

    private static Refusal Refused(params (string Key, string? Value)[] settings) =>
        Assert.Throws<RefusedException>(() => Use.Settings(settings)).Refusal;
}
