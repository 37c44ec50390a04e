using StorageOs.Kernel.Cli.Support;

namespace StorageOs.Kernel.Tests;

/// <summary>Nothing secret leaves with a support bundle.</summary>
public sealed class SecretsTests : IDisposable
{
    private readonly TestFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void What_is_in_a_file_of_secrets_is_found_however_it_is_written()
    {
        byte[] key = [.. Enumerable.Range(1, 32).Select(static i => (byte)(i * 7))];
        File.WriteAllBytes(folder.File("pair.key"), key);
        Secrets secrets = new();
        secrets.AddFile(folder.File("pair.key"));
        string said = secrets.Without(
            $"{Convert.ToHexString(key)} {Convert.ToHexStringLower(key)} "
            + $"{Convert.ToBase64String(key)} stays");
        Assert.Equal("(removed) (removed) (removed) stays", said);
    }

    [Theory]
    [InlineData("page http://127.0.0.1:8441/#token=606a31b6 opened",
        "page http://127.0.0.1:8441/#token=(removed) opened")]
    [InlineData("etcd at https://root:pass@10.0.0.9:2379/", "etcd at https://(removed)@10.0.0.9:2379/")]
    [InlineData("authorization: Bearer abc.def", "authorization: Bearer (removed)")]
    [InlineData("nbd://127.0.0.1:10809/vol0 is served", "nbd://127.0.0.1:10809/vol0 is served")]
    public void What_looks_like_a_secret_where_it_stands_is_taken_out(string text, string without) =>
        Assert.Equal(without, new Secrets().Without(text));

    [Fact]
    public void A_configuration_keeps_where_secrets_are_and_not_what_they_are()
    {
        File.WriteAllText(folder.File("etcd.password"), "correct horse battery\n");
        Secrets secrets = new();
        string said = secrets.Configuration(
            """
            {
              // A comment, as people write them.
              "pair": { "keyFile": "etcd.password" },
              "plugins": { "settings": { "x": {
                "password": "hunter2-hunter2", "list": [ { "apiToken": "short" } ],
                "secrets": { "x": "deep+down&under" }, "tokens": [ "first-of-all" ],
                "greeting": "hunter2-hunter2 and correct horse battery", "port": 5 } } }
            }
            """,
            folder.Path);
        Assert.Contains("\"keyFile\": \"etcd.password\"", said, StringComparison.Ordinal);
        Assert.Contains("\"port\": 5", said, StringComparison.Ordinal);
        Assert.Contains("\"greeting\": \"(removed) and (removed)\"", said, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", said, StringComparison.Ordinal);
        Assert.DoesNotContain("short", said, StringComparison.Ordinal);
        Assert.DoesNotContain("down", said, StringComparison.Ordinal);
        Assert.DoesNotContain("first-of", said, StringComparison.Ordinal);
        Assert.Equal( // As JSON writes it.
            "\"(removed)\"", secrets.Without("\"deep\\u002Bdown\\u0026under\""));
        Assert.Equal("(removed)", secrets.Without("hunter2-hunter2")); // In logs as well.
        Assert.DoesNotContain("{", secrets.Configuration("{ \"password\": ", folder.Path));
    }
}
