using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Image.Tests;

/// <summary>The files of a pair of guests, without the guests.</summary>
[Trait("Category", "Slow")]
public sealed class GuestFilesTests : IDisposable
{
    private const string Settings = "guests.json";
    private readonly string folder = Directory.CreateTempSubdirectory("guest-files-").FullName;

    private GuestSettings Wanted => new(
        Path.Combine(folder, "image"), "tcg", "verbs", Size.MiB, 20_000, 20_010);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_pair_that_was_begun_and_not_finished_is_made_by_the_next_call()
    {
        // It ends at what comes last: the initramfs of guests with an overlay.
        GuestSettings broken = Wanted with { Overlay = Path.Combine(folder, "none") };
        await Assert.ThrowsAnyAsync<IOException>(() => MakeAsync(broken));
        Assert.False(PairLayout.At(folder).Exists);
        string key = Path.Combine(folder, "manage.key");
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        byte[] begun = File.ReadAllBytes(key);
        Directory.CreateDirectory(Path.Combine(folder, "b", "state", "rest"));

        PairLayout made = await MakeAsync(Wanted);
        Assert.Equal(Wanted.NbdPort, made.Guests!.NbdPort);
        Assert.NotEqual(begun, File.ReadAllBytes(key));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(key));
        Assert.False(Directory.Exists(Path.Combine(folder, "b", "state")));
        string[] files = ["data.img", "nvram.img", "state.img"];
        Assert.All(PairLayout.Names, name => Assert.Equal(
            files,
            Directory.GetFiles(Path.Combine(folder, name)).Select(Path.GetFileName).Order()));

        // Whole by now: a further call changes nothing.
        begun = File.ReadAllBytes(key);
        await MakeAsync(Wanted);
        Assert.Equal(begun, File.ReadAllBytes(key));
    }

    [Fact]
    public async Task Two_commands_that_make_one_pair_do_not_get_into_each_others_way()
    {
        using (File.Open(
            Path.Combine(folder, "making.lock"), FileMode.Create, FileAccess.Write, FileShare.None))
        {
            RefusedException refused =
                await Assert.ThrowsAsync<RefusedException>(() => MakeAsync(Wanted));
            Assert.Contains("one command", refused.Refusal.Expected, StringComparison.Ordinal);
        }

        Assert.True((await MakeAsync(Wanted)).Exists);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("{ \"ImageFolder\": \"/tm")]
    public async Task Settings_that_cannot_be_read_are_refused_and_nothing_is_made_anew(string text)
    {
        File.WriteAllText(Path.Combine(folder, Settings), text);
        RefusedException refused =
            await Assert.ThrowsAsync<RefusedException>(() => MakeAsync(Wanted));
        Assert.EndsWith(Settings, refused.Refusal.Subject, StringComparison.Ordinal);
        Assert.Equal(
            [Settings], Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName));
    }

    private Task<PairLayout> MakeAsync(GuestSettings settings) =>
        GuestPair.MakeAsync(folder, settings, CancellationToken.None);
}
