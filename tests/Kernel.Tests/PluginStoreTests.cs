using System.Text;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Tests;

/// <summary>The store's steps, and what is left when one is cut short.</summary>
public sealed class PluginStoreTests : IDisposable
{
    private const string Id = "acme.good";
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private readonly TestFolder folder = new();

    private PluginStore Store => new(folder.File("store"), TimeProvider.System);

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Each_step_is_refused_where_it_makes_no_sense()
    {
        StoreEntry none = StoreEntry.New(Id, Now);
        Expect(() => none.Upgrade("1", Now), "to be installed");
        Expect(() => none.RollBack(Now), "a previous version");
        Expect(() => none.Enable(Now), "to be installed, or to have failed");
        Expect(() => none.Disable(null, Now), "to be installed");
        Expect(() => none.Remove(Now), "to be installed");
        StoreEntry one = none.Install("1", Now);
        Expect(() => one.Install("2", Now), "not to be installed yet");
        Expect(() => one.Upgrade("1", Now), "another version than 1");
        Expect(() => one.RollBack(Now), "a previous version");
        StoreEntry two = one.Upgrade("2", Now);
        Expect(() => two.Upgrade("1", Now), "another version than 2 and 1");
        Assert.Equal(("1", "2"), (two.RollBack(Now).Current, two.RollBack(Now).Previous));
        Assert.Equal(("3", "2"), (two.Upgrade("3", Now).Current, two.Upgrade("3", Now).Previous));
        Assert.Null(two.Disable(null, Now).Wanted);
        Assert.Null(two.Remove(Now).Previous);

        static void Expect(Func<StoreEntry> step, string expected) => Assert.StartsWith(
            expected, Assert.Throws<RefusedException>(step).Refusal.Expected);
    }

    [Theory]
    [InlineData(new[] { 0, 60, 120 }, true)]
    [InlineData(new[] { 0, 299, 300 }, true)]
    [InlineData(new[] { 0, 200, 301 }, false)]
    [InlineData(new[] { 0, 400, 800, 1200 }, false)]
    [InlineData(new[] { 100_000, 0, 60 }, false)]
    [InlineData(new[] { 100_000, 0, 60, 120 }, true)]
    public void Three_failures_count_when_they_lie_within_five_minutes(
        int[] seconds, bool malfunctioned)
    {
        StoreEntry entry = StoreEntry.New(Id, Now).Install("1", Now);
        foreach (int second in seconds)
        {
            entry = entry.Fail("boom", Now.AddSeconds(second));
        }

        Assert.Equal(malfunctioned, entry.Malfunctioned is not null);
        Assert.Equal(malfunctioned ? null : "1", entry.Wanted);
        Assert.Equal("1", entry.Enable(Now).Wanted);
        Assert.Empty(entry.Upgrade("2", Now).Failures);
    }

    [Fact]
    public void What_one_version_did_is_not_held_against_another()
    {
        StoreEntry entry = StoreEntry.New(Id, Now);
        foreach (string version in new[] { "1", "1", "2", "1", "1" })
        {
            entry = entry.Fail("boom", Now, version);
            Assert.Null(entry.Malfunctioned);
        }

        entry = entry.Fail("boom", Now, "1");
        Assert.NotNull(entry.MalfunctionOf("1"));
        Assert.Null(entry.MalfunctionOf("2"));
        Assert.Null(entry.Fail("boom", Now, "2").Malfunctioned);
        byte[] text = Encoding.UTF8.GetBytes(StoreEntryText.Of(entry));
        Assert.Null(StoreEntryText.TryParse(text, Id, "f", out StoreEntry? read));
        Assert.Equal(entry.Failures, read!.Failures);

        // Those who wrote the first stores did not say which version failed: any did.
        text = Encoding.UTF8.GetBytes(
            StoreEntryText.Of(entry).Replace(",\"version\":\"1\"", "", StringComparison.Ordinal));
        Assert.Null(StoreEntryText.TryParse(text, Id, "f", out read));
        Assert.NotNull(read!.MalfunctionOf("2"));
    }

    [Fact]
    public void What_is_written_is_read_again()
    {
        StoreEntry entry = StoreEntry.New(Id, Now).Install("1.0", Now).Upgrade("1.1", Now)
            .Disable("why", Now).Fail("a \"b\"\n", Now).Fail("c", Now).Fail("d", Now);
        byte[] text = Encoding.UTF8.GetBytes(StoreEntryText.Of(entry));
        Assert.Null(StoreEntryText.TryParse(text, Id, "f", out StoreEntry? read));
        Assert.Equal(StoreEntryText.Of(entry), StoreEntryText.Of(read!));
        Assert.Equal(entry.Failures, read!.Failures);
        Assert.NotNull(StoreEntryText.TryParse(text, "acme.other", "f", out _));
        for (int length = 0; length < text.Length - 1; length++)
        {
            Assert.NotNull(StoreEntryText.TryParse(text.AsMemory(0, length), Id, "f", out _));
        }
    }

    [Theory]
    [InlineData("\"1.0\"", "\"../1.0\"")]
    [InlineData("\"1.0\"", "\"/etc\"")]
    [InlineData("\"1.0\",\"previous\":null", "null,\"previous\":\"1.0\"")]
    [InlineData("\"enabled\":true", "\"enabled\":true,\"enabled\":true")]
    [InlineData("\"enabled\":true", "\"enabled\":1")]
    public void A_state_that_leads_elsewhere_is_refused(string text, string replacement)
    {
        string written = StoreEntryText.Of(StoreEntry.New(Id, Now).Install("1.0", Now));
        string changed = written.Replace(text, replacement, StringComparison.Ordinal);
        Assert.NotEqual(written, changed);
        Assert.NotNull(StoreEntryText.TryParse(Encoding.UTF8.GetBytes(changed), Id, "f", out _));
    }

    [Fact]
    public void Whatever_a_change_that_was_cut_short_has_left_the_old_state_holds()
    {
        Put("1.0.0", upgrade: false);

        // Cut while unpacking; before the state was written; and while it was.
        Directory.CreateDirectory(folder.File("store/.new-abc/sub"));
        Directory.CreateDirectory(folder.File($"store/{Id}/1.1.0"));
        File.WriteAllText(folder.File($"store/{Id}/1.1.0/plugin.json"), "half");
        File.WriteAllText(folder.File($"store/{Id}/state.json.new"), "{\"id\":");
        Directory.CreateDirectory(folder.File("store/acme.first/1.0.0"));
        StoreEntry entry = Assert.Single(Store.Read()).Entry!;
        Assert.Equal(("1.0.0", null), (entry.Current, entry.Previous));

        // The same change can be made again,
        Put("1.1.0", upgrade: true);
        Assert.False(Directory.Exists(folder.File("store/.new-abc")));
        Assert.True(File.Exists(folder.File($"store/{Id}/1.1.0/{Id}.dll")));
        Assert.Equal("1.1.0", Assert.Single(Store.Read()).Entry!.Current);

        // and what nobody names goes.
        Put("1.2.0", upgrade: true);
        Store.Prune(TimeSpan.Zero);
        Assert.Equal(
            ["1.1.0", "1.2.0"],
            Directory.GetDirectories(folder.File($"store/{Id}")).Select(Path.GetFileName).Order());
        Assert.False(Directory.Exists(folder.File("store/acme.first")));
    }

    [Fact]
    public void What_a_running_node_has_loaded_is_not_changed_under_it()
    {
        DateTime old = new(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);
        Put("1.0.0", upgrade: false);
        string code = folder.File($"store/{Id}/1.0.0/{Id}.dll");
        File.SetLastWriteTimeUtc(code, old);
        Store.Change(Id, static (entry, now) => entry.Remove(now));

        // The same files are the same version; others are not.
        Put("1.0.0", upgrade: false, isInUse: true);
        Assert.Equal(old, File.GetLastWriteTimeUtc(code));
        Assert.Equal("1.0.0", Assert.Single(Store.Read()).Entry!.Current);
        Store.Change(Id, static (entry, now) => entry.Remove(now));
        Refusal refusal = Assert.Throws<RefusedException>(
            () => Put("1.0.0", upgrade: false, isInUse: true, name: "other")).Refusal;
        Assert.Equal("the files of version 1.0.0 that the running node has", refusal.Expected);
        Assert.Equal(old, File.GetLastWriteTimeUtc(code));
        Assert.Null(Assert.Single(Store.Read()).Entry!.Current);

        Put("1.0.0", upgrade: false, name: "other");
        Assert.NotEqual(old, File.GetLastWriteTimeUtc(code));

        // Nor are files that somebody has changed meanwhile taken for those of the bundle.
        Store.Change(Id, static (entry, now) => entry.Remove(now));
        File.AppendAllText(code, "x");
        Assert.Throws<RefusedException>(
            () => Put("1.0.0", upgrade: false, isInUse: true, name: "other"));
    }

    [Fact]
    public void Why_it_was_disabled_is_known_whatever_else_becomes_of_it()
    {
        const string Why = "disabled by an operator: too loud";
        StoreEntry entry = StoreEntry.New(Id, Now).Install("1", Now).Disable("too loud", Now);
        foreach (StoreEntry later in new[]
        {
            entry.Upgrade("2", Now), entry.Upgrade("2", Now).RollBack(Now), entry.Fail("x", Now),
        })
        {
            Assert.Equal(Why, later.DisabledWhy);
            Finding error = new StoreRecord(Id, later, "/s", null)
                .Judge(new PluginCandidate(Id, null, null)).Error!;
            Assert.Equal((FindingKind.Disabled, Why), (error.Kind, error.Refusal.Actual));
            Assert.Null(later.Enable(Now).DisabledWhy);
        }

        Assert.Null(entry.Remove(Now).Install("1", Now).DisabledWhy);
        string text = StoreEntryText.Of(entry);
        string before = text.Replace(
            $"\"disabledWhy\":\"{Why}\",", "", StringComparison.Ordinal);
        Assert.NotEqual(text, before);
        foreach ((string written, string? why) in new[] { (text, Why), (before, (string?)null) })
        {
            Assert.Null(StoreEntryText.TryParse(
                Encoding.UTF8.GetBytes(written), Id, "f", out StoreEntry? read));
            Assert.Equal(why, read!.DisabledWhy);
        }
    }

    [Fact]
    public void A_store_that_is_full_says_so()
    {
        Put("1.0.0", upgrade: false);
        for (int count = 1; count < Limits.PluginsMax; count++)
        {
            string other = $"acme.{count}";
            Store.Change(other, static (entry, now) => entry.Fail("boom", now));
        }

        Refusal refusal = Assert.Throws<RefusedException>(() => Store.Change(
            "acme.more", static (entry, now) => entry.Fail("boom", now))).Refusal;
        Assert.StartsWith("at most 64 plugins in the store", refusal.Expected);
        Assert.Contains("storageos plugin remove", refusal.Remedy);
        PluginBuilder.Put(
            folder.File("sources"), "acme.zero", PluginBuilder.ClientPlugin("zero"));
        string bundle = BundleWriter.Pack(folder.File("sources/acme.zero"), folder.Path);
        Assert.Throws<RefusedException>(() => Store.Put(
            bundle, PluginTrust.Anybody,
            static (entry, manifest, now) => entry.Install(manifest.Version, now), out _, out _));
        Assert.False(Directory.Exists(folder.File("store/acme.zero")));

        // Those that are there can be changed, and a wrong id is told as one.
        Put("1.1.0", upgrade: true);
        Assert.Equal("to be installed", Assert.Throws<RefusedException>(() => Store.Change(
            "acme.typo", static (entry, now) => entry.Disable(null, now))).Refusal.Expected);
    }

    [Fact]
    public void A_bundle_that_is_refused_leaves_nothing()
    {
        File.WriteAllText(folder.File("bad.sosplugin"), "rubbish");
        IReadOnlyList<Finding> findings = Store.Put(
            folder.File("bad.sosplugin"), PluginTrust.Anybody,
            static (entry, manifest, now) => entry.Install(manifest.Version, now),
            out StoreEntry? entry, out _);
        Assert.Null(entry);
        Assert.Contains("a whole zip", Assert.Single(findings).Refusal.Expected);
        Assert.Equal(
            [".lock", ".plugin-store"],
            Directory.GetFileSystemEntries(folder.File("store")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_store_that_somebody_changes_is_not_waited_for_by_a_boot()
    {
        Put("1.0.0", upgrade: false);
        using (StoreLock.Take(folder.File("store"), TimeSpan.Zero))
        {
            Assert.Throws<RefusedException>(() => Store.Prune(TimeSpan.Zero));
        }

        Store.Prune(TimeSpan.Zero);
    }

    [Fact]
    public void A_folder_of_something_else_is_neither_tidied_nor_filled()
    {
        string dear = folder.File("store/mine/data");
        Directory.CreateDirectory(Path.GetDirectoryName(dear)!);
        File.WriteAllText(dear, "dear");
        Store.Prune(TimeSpan.Zero);
        RefusedException refused = Assert.Throws<RefusedException>(() => Store.Change(
            Id, static (entry, now) => entry.Fail("boom", now)));
        Assert.Equal("mine", refused.Refusal.Actual);
        Assert.True(File.Exists(dear));
    }

    [Fact]
    public void A_reason_without_end_leaves_a_state_that_can_be_read()
    {
        Put("1.0.0", upgrade: false);
        Store.Change(Id, static (entry, now) => entry.Disable(new string('ä', 100_000), now));
        Assert.False(Assert.Single(Store.Read()).Entry!.Enabled);
    }

    [Fact]
    public async Task Two_who_change_a_store_at_once_take_turns()
    {
        Put("1.0.0", upgrade: false);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(index => Task.Run(() =>
            Store.Change(Id, (entry, _) => entry with { Reason = entry.Reason + index }))));
        Assert.Equal(
            "installed 1.0.0".Length + 8, Assert.Single(Store.Read()).Entry!.Reason.Length);
    }

    [Theory]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData(".lock")]
    [InlineData("")]
    public void An_id_that_names_no_folder_of_the_store_is_refused(string id) =>
        Assert.Throws<RefusedException>(() => Store.Change(
            id, static (entry, now) => entry.Fail("", now)));

    private void Put(string version, bool upgrade, bool isInUse = false, string name = Id)
    {
        string source = folder.File($"sources-{name}");
        if (!Directory.Exists(source) || version != "1.0.0")
        {
            PluginBuilder.Put(source, Id, PluginBuilder.ClientPlugin(name), version: version);
        }

        string bundle = BundleWriter.Pack(Path.Combine(source, Id), folder.Path);
        PluginStore store = new(Store.Directory, TimeProvider.System) { IsInUse = () => isInUse };
        IReadOnlyList<Finding> findings = store.Put(
            bundle, PluginTrust.Anybody,
            (entry, manifest, now) => upgrade
                ? entry.Upgrade(manifest.Version, now) : entry.Install(manifest.Version, now),
            out _, out _);
        Assert.DoesNotContain(findings, static finding => finding.IsError);
    }
}
