using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;
using StorageOs.FailoverMonitor.Edge;

namespace StorageOs.Ownership.Tests;

/// <summary>What the edge keeps and tells: the memory file and the page.</summary>
public sealed class EdgeTests : IDisposable
{
    private readonly string path = Directory.CreateTempSubdirectory("memory-").FullName;

    private string MemoryPath => Path.Combine(path, "memory");

    public void Dispose() => Directory.Delete(path, recursive: true);

    private MemoryFile Open(PersistenceLevel level) =>
        new(StableFile.Open(MemoryPath), MemoryPath, level);

    [Fact]
    public void S3_memory_is_read_back_and_a_torn_slot_leaves_the_one_before()
    {
        DurableMemory first = new(Guid.NewGuid(), new Term(3), default, SwapIntent.None);
        DurableMemory second = first with
        {
            IntentTerm = new Term(4),
            Intent = SwapIntent.Takeover,
        };
        using (MemoryFile file = Open(PersistenceLevel.Process))
        {
            Assert.Equal(DurableMemory.Empty, file.Memory);
            file.Write(first);
            file.Write(second);
        }

        using (MemoryFile file = Open(PersistenceLevel.Power))
        {
            Assert.Equal(second, file.Memory);
        }

        byte[] bytes = File.ReadAllBytes(MemoryPath);
        bytes[40] ^= 1; // The second write went to the first slot.
        File.WriteAllBytes(MemoryPath, bytes);
        using (MemoryFile file = Open(PersistenceLevel.Process))
        {
            Assert.Equal(first, file.Memory);
        }

        bytes.AsSpan().Fill(7);
        File.WriteAllBytes(MemoryPath, bytes);
        Assert.Throws<RefusedException>(() => Open(PersistenceLevel.Process));
    }

    /// <summary>
    /// A loss of power may take a new file's name, and all that was flushed to it; and the name of
    /// a folder that was made for it.
    /// </summary>
    [Fact]
    public void S3_a_file_that_holds_nothing_yet_has_its_name_flushed_and_folders_too()
    {
        string folder = Path.Combine(path, "a", "b");
        string file = Path.Combine(folder, "memory");
        List<string> flushed = [];
        StableFile.Open(file, flushed.Add).Dispose();
        Assert.Equal([Path.Combine(path, "a"), folder, file], flushed);
        flushed.Clear();
        using (StableFile again = StableFile.Open(file, flushed.Add))
        {
            Assert.Equal([file], flushed); // Ended, for all we know, before it was.
            again.Write([1], 0);
        }

        StableFile.Open(file, flushed.Add).Dispose();
        Assert.Single(flushed);

        flushed.Clear();
        string locked = Path.Combine(path, "locked");
        using (IStableFile own = LockedFile.Open(locked, flushed.Add))
        {
            Assert.Equal([locked], flushed);
            own.Write([1], 0);
        }

        LockedFile.Open(locked, flushed.Add).Dispose();
        Assert.Single(flushed);

        StableFile.FlushName(locked);
        Assert.Throws<IOException>(() => StableFile.FlushName(Path.Combine(path, "no", "file")));
    }

    [Fact]
    public void S7_a_page_is_read_back_and_every_torn_one_is_refused()
    {
        byte[] bytes = new byte[ViewPage.Bytes];
        byte[] older = new byte[ViewPage.Bytes];
        ViewPage page = Page(LogRole.Mirrored, new string('ä', 400));
        page.Encode(bytes, 8);
        Page(LogRole.Passive, "").Encode(older, 7);

        ViewPage? read = ViewPage.Decode(bytes);
        Assert.NotNull(read);
        Assert.Equal(page.Session, read.Session);
        GroupView theirs = read.Groups[1];
        Assert.Equal(
            page.Groups[1] with { Answer = "", Vetoes = null },
            theirs with { Answer = "", Vetoes = null });
        Assert.Equal(page.Groups[1].Vetoes![0], theirs.Vetoes![0]);
        Assert.Equal(page.Groups[1].Vetoes![1].Who, theirs.Vetoes[1].Who);
        Assert.StartsWith("öö", theirs.Vetoes[1].Why, StringComparison.Ordinal);
        Assert.Equal(2, theirs.Vetoes.Count); // The third is told by the answer alone.
        Assert.Empty(read.Groups[0].Vetoes!);
        Assert.StartsWith("ää", read.Groups[1].Answer, StringComparison.Ordinal);
        for (int cut = 8; cut < ViewPage.Bytes; cut += 8)
        {
            byte[] torn = [.. bytes.AsSpan(0, cut), .. older.AsSpan(cut)];
            Assert.Null(ViewPage.Decode(torn));
        }

        Assert.Null(ViewPage.Decode(new byte[ViewPage.Bytes]));
    }

    private static readonly HandoverVeto[] Vetoes =
    [
        new("volumes", null, "a resync", "wait", DateTimeOffset.FromUnixTimeSeconds(1_700_000_000)),
        new(new string('n', 64), null, new string('ö', 300), new string('ü', 300), default),
        new("third", null, "x", "y", default),
    ];

    private static ViewPage Page(LogRole role, string answer)
    {
        RegisterEntry entry = new(
            Guid.NewGuid(), new GroupId(1), new Term(5), 1, SyncState.Stale, 2, new Lsn(77),
            Guid.NewGuid());
        GroupView view = new(
            entry.RegisterId, entry, role, SwapIntent.Mark, new Term(6), true, 3, 4,
            answer, false, Vetoes, "volumes,scrub", MayTake: true, Offers: true);
        return new ViewPage(
            new SessionId(1, 2, 3, 4), 1, [view with { Entry = null, Vetoes = null }, view]);
    }
}
