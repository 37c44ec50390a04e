using System.Text.Json;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace MySpace;

/// <summary>
/// The register as one JSON file for each group, in a directory that both nodes reach. Whoever
/// swaps holds a lock, which ends with its process; a new entry is written beside the old one,
/// flushed, and put in its place.
/// </summary>
public sealed class DirectoryWitness(string directory) : IWitness
{
    private static readonly TimeSpan LockTimeMax = TimeSpan.FromSeconds(5);

    public string Description => $"JSON files in {directory}";

    public async ValueTask<WitnessReading> ReadAsync(
        GroupId group, CancellationToken cancellation) =>
        // A disk may take its time: never on the caller's thread.
        await Task.Run(() => Read(group), cancellation);

    public async ValueTask<SwapOutcome> TrySwapAsync(
        GroupId group, RegisterEntry next, CancellationToken cancellation) =>
        await Task.Run(() => SwapAsync(next with { Group = group }, cancellation), cancellation);

    public void Dispose()
    {
    }

    private string FileOf(GroupId group) => Path.Combine(directory, $"{group}.json");

    private WitnessReading Read(GroupId group)
    {
        try
        {
            byte[] text = File.ReadAllBytes(FileOf(group));
            return JsonSerializer.Deserialize(text, Format.Default.Stored) is { } stored
                && stored.Group == group.Value
                ? new(ReadOutcome.Found, stored.ToEntry())
                : Unreadable("another group's, or null");
        }
        catch (FileNotFoundException)
        {
            return new(ReadOutcome.Missing, null);
        }
        catch (JsonException wrong)
        {
            return Unreadable(wrong.Message);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return new(ReadOutcome.Unavailable, null, failure.Message);
        }

        WitnessReading Unreadable(string found) => new(
            ReadOutcome.Unavailable, null,
            $"{FileOf(group)}: expected an entry of {group}, found {found}");
    }

    private async Task<SwapOutcome> SwapAsync(RegisterEntry next, CancellationToken cancellation)
    {
        try
        {
            using FileStream held = await LockAsync(next.Group, cancellation);
            WitnessReading before = Read(next.Group);
            ulong term = before.Entry?.Term.Value ?? 0;
            if (before.Outcome == ReadOutcome.Unavailable)
            {
                return new(SwapResult.Undecided, null, before.Detail);
            }

            if (before.Entry is { } entry && term >= next.Term.Value)
            {
                // One's own swap, sent again, has won (rule S3).
                return new(entry.SwapId == next.SwapId ? SwapResult.Won : SwapResult.Lost, entry);
            }

            if (term + 1 != next.Term.Value)
            {
                return new(
                    SwapResult.Undecided, before.Entry,
                    $"expected term {next.Term.Value - 1} before the swap, found {term}");
            }

            Write(next);
            return new(SwapResult.Won, next);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // It may have happened: nobody knows before the next read.
            return new(SwapResult.Undecided, null, failure.Message);
        }
    }

    private async Task<FileStream> LockAsync(GroupId group, CancellationToken cancellation)
    {
        string path = Path.Combine(directory, $"{group}.lock");
        long start = Environment.TickCount64;
        while (true)
        {
            try
            {
                return new FileStream(
                    path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (
                Environment.TickCount64 - start < LockTimeMax.TotalMilliseconds
                && File.Exists(path))
            {
                await Task.Delay(1, cancellation);
            }
        }
    }

    private void Write(RegisterEntry entry)
    {
        string path = FileOf(entry.Group);
        string beside = path + ".new";
        using (FileStream file = File.Create(beside))
        {
            JsonSerializer.Serialize(file, Stored.Of(entry), Format.Default.Stored);
            file.Flush(flushToDisk: true);
        }

        File.Move(beside, path, overwrite: true);
        StableFile.FlushName(path); // The entry is durable before success is answered.
    }
}
