using System.IO.Compression;
using System.Text.Json.Nodes;

namespace StorageOs.Sdk.Tests;

/// <summary>
/// The life of a stranger's client on a pair that runs: made of the template and packages alone,
/// signed, installed, upgraded, rolled back, removed; and what becomes of bad ones.
/// </summary>
[Trait("Category", "Slow")]
[Collection(nameof(Workshop))]
public sealed class LifeTests(Workshop workshop)
{
    private const string Id = "acme.life";

    [Fact]
    public void A_signed_client_is_installed_upgraded_rolled_back_and_removed_while_the_pair_runs()
    {
        string project = Make("Acme.Life");
        string first = Build(project);
        Change(project, "hello from", "good day from", "1.1.0");
        string second = Build(project);
        using Operator pair = new();
        pair.Trust("acme");
        pair.Sign("acme", first);
        pair.Sign("acme", second);
        string session = pair.Session();

        pair.Do("plugin", "install", first);
        Assert.Equal("1.0.0 active known", pair.Standing("a", Id));
        pair.Hears("hello from a");
        pair.Do("plugin", "upgrade", second);
        Assert.Equal("1.1.0 active known, 1.0.0 superseded ", pair.Standing("b", Id));
        pair.Hears("good day from a");
        pair.Do("plugin", "rollback", Id);
        Assert.Equal("1.0.0 active known, 1.1.0 superseded ", pair.Standing("a", Id));
        pair.Do("plugin", "remove", Id);
        Assert.Equal("", pair.Standing("a", Id));
        Assert.Equal("", pair.Standing("b", Id));
        Assert.Equal(session, pair.Session());
    }

    [Fact]
    public void Bad_ones_are_refused_or_contained_and_the_reason_is_told()
    {
        string project = Make("Acme.Bad");
        Change(project, "this.services = services;", """
            this.services = services;
            switch (settings["do"])
            {
                case "hang": Thread.Sleep(Timeout.Infinite); break;
                case "throw": throw new InvalidOperationException("thrown on purpose");
                case "throw later":
                    reactor.After(
                        TimeSpan.FromSeconds(2), () => throw new TimeZoneNotFoundException());
                    break;
            }

            """);
        Change(project, "IReactor reactor,", """
            Microsoft.Extensions.Configuration.IConfiguration settings, IReactor reactor,
            """);
        string good = Build(project);
        using Operator pair = new();
        pair.Trust("acme");
        string session = pair.Session();

        pair.Refuses(good, "by a key of the trust directory, found no signature");
        string stranger = Copy(good, "stranger", static _ => { });
        pair.NewKey("stranger");
        pair.Sign("stranger", stranger);
        pair.Refuses(stranger, "one by the unknown key");
        pair.RequireSigned(false);
        pair.Refuses(
            Copy(good, "newer", static manifest => manifest["contracts"] =
                new JsonObject { ["min"] = "7.0", ["max"] = "7.9" }),
            "a range that meets this kernel's, 0.1 to 0.2, found 7.0 to 7.9");
        pair.Refuses(
            Copy(good, "typeless", static manifest => manifest["type"] = "Acme.Nothing"),
            "Acme.Nothing");
        pair.Refuses(Tampered(Copy(good, "tampered", static _ => { })), "expected the SHA-256");
        pair.RequireSigned(true);
        Assert.Equal("", pair.Standing("a", "acme.bad"));

        pair.Fails(
            Signed(pair, good, "greedy", static manifest =>
            {
                manifest["version"] = "0.9.0"; // Files of a version that was there stay the same.
                manifest["limits"] = new JsonObject { ["memory"] = 1 };
            }),
            "at most 1 bytes of memory, its manifest's limit, found 4096");
        string sound = Signed(pair, good, "sound", static _ => { });
        pair.Configure("acme.bad", "throw");
        pair.Fails(sound, "InvalidOperationException: thrown on purpose");
        pair.Configure("acme.bad", "throw later");
        pair.Do("plugin", "install", sound, "--node", "b");
        pair.Shows("b", "acme.bad", "failed", "TimeZoneNotFoundException");
        pair.Do("plugin", "remove", "acme.bad", "--node", "b");
        pair.Configure("acme.bad", "hang");
        pair.Fails(sound, "a callback has not returned for 10 s");
        Assert.Equal(session, pair.Session()); // And nobody else has noticed.
    }

    private string Make(string name) =>
        Path.Combine(workshop.New("storageos-client", name), name);

    private string Build(string project)
    {
        _ = workshop.Dotnet("build", project, "-t:PackPlugin", "--nologo");
        string version = $"{JsonNode.Parse(
            File.ReadAllText(Path.Combine(project, "plugin.json")))!["version"]}";
        string name = Path.GetFileName(project);
        return Path.Combine(project, "bin", $"{name.ToLowerInvariant()}.{version}.sosplugin");
    }

    private static void Change(string project, string text, string by, string? version = null)
    {
        string source = Path.Combine(project, "GreetingClient.cs");
        string before = File.ReadAllText(source);
        Assert.Contains(text, before, StringComparison.Ordinal);
        File.WriteAllText(source, before.Replace(text, by, StringComparison.Ordinal));
        string[] files = [$"{Path.GetFileName(project)}.csproj", "plugin.json"];
        foreach (string file in files.Where(_ => version is not null))
        {
            string path = Path.Combine(project, file);
            File.WriteAllText(path, File.ReadAllText(path).Replace("1.0.0", version));
        }
    }

    private static string Signed(
        Operator pair, string bundle, string name, Action<JsonObject> change)
    {
        string copy = Copy(bundle, name, change);
        pair.Sign("acme", copy);
        return copy;
    }

    /// <summary>The bundle with another manifest, as somebody makes it by hand.</summary>
    private static string Copy(string bundle, string name, Action<JsonObject> change)
    {
        string copy = Path.Combine(Path.GetDirectoryName(bundle)!, $"{name}.sosplugin");
        File.Copy(bundle, copy, overwrite: true);
        using ZipArchive zip = ZipFile.Open(copy, ZipArchiveMode.Update);
        ZipArchiveEntry entry = zip.GetEntry("plugin.json")!;
        JsonObject manifest;
        using (Stream stream = entry.Open())
        {
            manifest = JsonNode.Parse(stream)!.AsObject();
        }

        change(manifest);
        entry.Delete();
        using StreamWriter writer = new(zip.CreateEntry("plugin.json").Open());
        writer.Write(manifest.ToJsonString());
        return copy;
    }

    private static string Tampered(string bundle)
    {
        using ZipArchive zip = ZipFile.Open(bundle, ZipArchiveMode.Update);
        using Stream code = zip.Entries.First(static entry =>
            entry.Name.EndsWith(".dll", StringComparison.Ordinal)).Open();
        code.Position = code.Length;
        code.WriteByte(0);
        return bundle;
    }
}
