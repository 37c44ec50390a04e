using System.Security.Cryptography;
using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Tests;

/// <summary>
/// Clients that put, delete and read at once, by one seed; the volume's crashes; and what must be
/// there after each: of every object what was acknowledged last, or what was being put over it.
/// </summary>
internal sealed class World
{
    private const int Keys = 30;
    private static readonly Condition None = new(null, null);
    private readonly Random chance;
    private readonly Disk disk;
    private readonly Dictionary<string, byte[]> acknowledged = [];
    private readonly List<Work> works = [];
    private readonly List<(Entry Entry, byte[] Expected)> pins = [];
    private readonly List<Job> jobs = [];
    private Store store = null!;

    public World(int seed)
    {
        chance = new(seed);
        disk = new(4 * Size.MiB, chance);
        Mounting made = disk.Mount(format: true);
        Assert.Null(made.Refused);
        store = made.Result!;
    }

    /// <summary>How often the index was written anew.</summary>
    public ulong Checkpoints => store.Super.Generation - 1;

    /// <summary>How many changes were acknowledged.</summary>
    public int Acknowledged { get; private set; }

    /// <summary>How many were refused for want of room.</summary>
    public int Full { get; private set; }

    /// <summary>Runs for a while, crashes, and looks what is there.</summary>
    public void Live()
    {
        bool atCheckpoint = chance.Next(2) == 0;
        int steps = chance.Next(50, 1500);
        for (int step = 0; step < steps || (atCheckpoint && step < 6000); step++)
        {
            if (works.Count < 8 && chance.Next(3) == 0)
            {
                Begin();
            }

            Step();
            if (atCheckpoint && jobs.Any(IsCheckpoint) && chance.Next(6) == 0)
            {
                break;
            }
        }

        CheckSpace();
        disk.Crash(jobs.Select(static job => job.Steps.Current));
        Mount();
        Compare();
        jobs.Clear();
        works.Clear();
        pins.Clear();
    }

    private bool IsCheckpoint(Job job)
    {
        Io io = job.Steps.Current;
        Layout layout = store.Layout;
        long other = layout.HalfAt(1 - store.Super.Half);
        return io.Kind == IoKind.Write && (io.Offset == 0
            || io.Offset == layout.SuperblockAt(1)
            || (io.Offset >= other && io.Offset < other + layout.HalfBytes));
    }

    private void Begin()
    {
        int number = chance.Next(Keys);
        string key = $"bucket/key {number} {new('x', number * 30)}"; // A batch is many sectors.
        if (chance.Next(6) == 0 && store.Index.Pin(key) is { } pinned)
        {
            pins.Add((pinned, acknowledged[key]));
        }
        else if (chance.Next(4) == 0)
        {
            Work work = new(key, null, []);
            works.Add(work);
            store.Delete(key, None, outcome => Answered(work, outcome));
        }
        else
        {
            int size = chance.Next(14) switch
            {
                0 => 0,
                1 => chance.Next(3 * Layout.ChunkBytes),
                2 => chance.Next(1, 4) * Layout.BlockBytes,
                _ => chance.Next(6000),
            };
            Put(key, NewContent(size));
        }
    }

    /// <summary>Bytes that no other object has.</summary>
    private byte[] NewContent(int size)
    {
        byte[] content = new byte[size];
        ulong value = (ulong)chance.NextInt64() | 1;
        for (int at = 0; at < size; at++)
        {
            value *= 6364136223846793005;
            content[at] = (byte)(value >> 56);
        }

        return content;
    }

    private void Put(string key, byte[] content)
    {
        bool isKnown = chance.Next(2) == 0;
        if (store.Begin(key, isKnown ? content.Length : null, out Upload upload) is not null)
        {
            Full++;
            return;
        }

        Work work = new(key, upload, content);
        works.Add(work);
        GoOn(work);
    }

    private void GoOn(Work work)
    {
        Upload upload = work.Upload!;
        int bytes = (int)Math.Min(Layout.ChunkBytes, work.Content.Length - upload.Bytes);
        if (chance.Next(20) == 0)
        {
            _ = works.Remove(work);
            store.Abandon(upload);
        }
        else if (bytes == 0)
        {
            store.Finish(
                upload, SHA256.HashData(work.Content), 0, None,
                outcome => Answered(work, outcome));
        }
        else if (store.Extend(upload, upload.Bytes + bytes) is not null)
        {
            Full++;
            _ = works.Remove(work);
            store.Abandon(upload);
        }
        else
        {
            byte[] buffer = new byte[Layout.BlocksOf(bytes) * Layout.BlockBytes];
            buffer.AsSpan(bytes).Fill(0xEE); // Whoever had it before.
            work.Content.AsSpan((int)upload.Bytes, bytes).CopyTo(buffer);
            uint sum = Crc32C.Of(buffer.AsSpan(0, bytes));
            Run(store.Write(upload, buffer, bytes, sum), () => GoOn(work));
        }
    }

    private void Answered(Work work, Outcome outcome)
    {
        Assert.True(works.Remove(work));
        if (outcome is Outcome.Done or Outcome.Created)
        {
            Acknowledged++;
            if (work.Upload is null)
            {
                Assert.True(acknowledged.Remove(work.Key));
            }
            else
            {
                Assert.Equal(outcome == Outcome.Created, !acknowledged.ContainsKey(work.Key));
                acknowledged[work.Key] = work.Content;
            }
        }
        else
        {
            Assert.Equal(Outcome.Missing, outcome);
            Assert.DoesNotContain(work.Key, acknowledged.Keys);
        }
    }

    private void Run(IEnumerable<Io> steps, Action done)
    {
        Job job = new(steps.GetEnumerator(), done);
        if (job.Steps.MoveNext())
        {
            jobs.Add(job);
        }
        else
        {
            done();
        }
    }

    private void Step()
    {
        if (store.NextCommit() is { } commit)
        {
            Run(commit, static () => { });
        }

        if (jobs.Count > 0)
        {
            Job job = jobs[chance.Next(jobs.Count)];
            disk.Do(job.Steps.Current);
            if (!job.Steps.MoveNext())
            {
                _ = jobs.Remove(job);
                job.Done();
            }
        }

        if (pins.Count > 0 && chance.Next(30) == 0)
        {
            (Entry entry, byte[] expected) = pins[0];
            pins.RemoveAt(0);
            Assert.True(Same(expected, Read(store, entry))); // Whatever became of its key since.
            store.Index.Unpin(entry);
        }
    }

    /// <summary>Every block is somebody's or free.</summary>
    private void CheckSpace()
    {
        long mine = works.Where(static work => work.Upload is not null)
            .SelectMany(static work => work.Upload!.Extents)
            .Concat(store.Index.All.SelectMany(static entry => entry.Extents))
            .Concat(pins.Select(static pin => pin.Entry).Distinct()
                .Where(static entry => entry.Gone).SelectMany(static entry => entry.Extents))
            .Sum(static extent => extent.Count);
        Assert.Equal(store.Layout.DataBlocks - mine, store.Index.Space.Free);
    }

    private void Mount()
    {
        while (true)
        {
            // Mounting can be cut short, too.
            Mounting mounting = disk.NewMounting();
            int cut = chance.Next(4) == 0 ? chance.Next(8) : int.MaxValue;
            using IEnumerator<Io> steps = mounting.Steps().GetEnumerator();
            bool more = steps.MoveNext();
            for (; more && cut > 0; cut--)
            {
                disk.Do(steps.Current);
                more = steps.MoveNext();
            }

            if (!more)
            {
                Assert.Null(mounting.Refused);
                store = mounting.Result!;
                return;
            }

            disk.Crash([steps.Current]);
        }
    }

    private void Compare()
    {
        Dictionary<string, byte[]> found = [];
        foreach (Entry entry in store.Index.All)
        {
            byte[] bytes = Read(store, entry);
            Assert.Equal(entry.Hash, SHA256.HashData(bytes));
            found.Add(entry.Key, bytes);
        }

        foreach (string key in acknowledged.Keys.Concat(found.Keys)
            .Concat(works.Select(static work => work.Key)).Distinct().ToArray())
        {
            byte[]? now = found.GetValueOrDefault(key);
            byte[]? was = acknowledged.GetValueOrDefault(key);
            bool isPossible = Same(now, was) || works.Any(work => work.Key == key
                && Same(now, work.Upload is null ? null : work.Content));
            Assert.True(
                isPossible,
                $"{key}: {Shown(was)} was acknowledged and {Shown(now)} is there");
            if (now is null)
            {
                _ = acknowledged.Remove(key);
            }
            else
            {
                acknowledged[key] = now;
            }
        }

        works.Clear();
        pins.Clear();
        CheckSpace();
    }

    private byte[] Read(Store from, Entry entry)
    {
        byte[] all = new byte[entry.Size];
        byte[] buffer = new byte[Layout.ChunkBytes];
        for (int chunk = 0; chunk < entry.Sums.Count; chunk++)
        {
            disk.Do(from.Read(entry, chunk, buffer));
            int bytes = entry.ChunkBytes(chunk);
            Assert.True(
                entry.IsWhole(chunk, buffer.AsSpan(0, bytes)), $"{entry.Key}, chunk {chunk}");
            buffer.AsSpan(0, bytes).CopyTo(all.AsSpan(chunk * Layout.ChunkBytes));
        }

        return all;
    }

    private static bool Same(byte[]? one, byte[]? other) => one is null || other is null
        ? one == other
        : one.AsSpan().SequenceEqual(other);

    private static string Shown(byte[]? bytes) =>
        bytes is null ? "nothing" : $"{bytes.Length} bytes";

    private sealed record Work(string Key, Upload? Upload, byte[] Content);

    private sealed record Job(IEnumerator<Io> Steps, Action Done);
}
