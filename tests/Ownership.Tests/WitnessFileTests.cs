using StorageOs.Contracts.Services;
using StorageOs.Witness.File;

namespace StorageOs.Ownership.Tests;

/// <summary>The witness kept in files: one winner, no half register, garbage refused.</summary>
public sealed class WitnessFileTests : IDisposable
{
    private static readonly GroupId Group = new(0);
    private static readonly Guid Register = Guid.NewGuid();
    private readonly string path = Directory.CreateTempSubdirectory("witness-").FullName;

    public void Dispose() => Directory.Delete(path, recursive: true);

    [Fact]
    public async Task An_empty_directory_is_missing_and_a_directory_that_is_gone_is_unavailable()
    {
        using FileWitness witness = new(path);
        Assert.Equal(ReadOutcome.Missing, (await witness.ReadAsync(Group, default)).Outcome);
        using FileWitness gone = new(Path.Combine(path, "none"));
        Assert.Equal(ReadOutcome.Unavailable, (await gone.ReadAsync(Group, default)).Outcome);
    }

    [Fact]
    public async Task A_swap_is_read_back_by_another_reader()
    {
        using FileWitness writer = new(path);
        using FileWitness reader = new(path);
        RegisterEntry first = Entry(1);
        RegisterEntry second = Entry(2);
        Assert.Equal(SwapResult.Won, (await writer.TrySwapAsync(Group, first, default)).Result);
        Assert.Equal(first, (await reader.ReadAsync(Group, default)).Entry);
        Assert.Equal(SwapResult.Won, (await reader.TrySwapAsync(Group, second, default)).Result);
        Assert.Equal(second, (await writer.ReadAsync(Group, default)).Entry);
        SwapOutcome late = await writer.TrySwapAsync(Group, Entry(2), default);
        Assert.Equal((SwapResult.Lost, second), (late.Result, late.Current));
    }

    [Fact]
    public async Task S2_of_many_that_swap_one_term_exactly_one_wins()
    {
        FileWitness[] all = [.. Enumerable.Range(0, 8).Select(_ => new FileWitness(path))];
        for (ulong term = 1; term <= 40; term++)
        {
            RegisterEntry[] wanted = [.. all.Select(_ => Entry(term))];
            SwapOutcome[] outcomes = await Task.WhenAll(
                all.Select((w, i) => w.TrySwapAsync(Group, wanted[i], default).AsTask()));
            int winner = Array.FindIndex(outcomes, static o => o.Result == SwapResult.Won);
            Assert.Single(outcomes, static o => o.Result == SwapResult.Won);
            Assert.All(outcomes, o => Assert.Equal(wanted[winner], o.Current));
        }

        Array.ForEach(all, static witness => witness.Dispose());
        Assert.Equal(40, Directory.GetFiles(path).Length); // Term files are kept, others are not.
    }

    [Fact]
    public async Task S3_the_same_swap_again_is_judged_by_its_id()
    {
        using FileWitness witness = new(path);
        RegisterEntry entry = Entry(1);
        await witness.TrySwapAsync(Group, entry, default);
        Assert.Equal(SwapResult.Won, (await witness.TrySwapAsync(Group, entry, default)).Result);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    [InlineData(TermFile.Bytes - 1)]
    [InlineData(TermFile.Bytes + 1)]
    public async Task A_term_file_of_another_length_is_unavailable_and_says_so(int length)
    {
        byte[] bytes = TermFile.Encode(Entry(1));
        Array.Resize(ref bytes, length);
        await File.WriteAllBytesAsync(Path.Combine(path, TermFile.Name(Group, new Term(1))), bytes);
        using FileWitness witness = new(path);
        WitnessReading reading = await witness.ReadAsync(Group, default);
        Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
        Assert.Contains($"found {length}", reading.Detail, StringComparison.Ordinal);
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entry(2), default);
        Assert.Equal(SwapResult.Undecided, swap.Result);
    }

    [Fact]
    public void Every_flipped_bit_of_a_term_file_is_found()
    {
        byte[] good = TermFile.Encode(Entry(1));
        for (int bit = 0; bit < good.Length * 8; bit++)
        {
            byte[] bad = [.. good];
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(TermFile.Decode(bad, Group, new Term(1), out string wrong));
            Assert.NotEmpty(wrong);
        }
    }

    [Fact]
    public async Task A_torn_temporary_file_of_a_dead_writer_is_no_register()
    {
        await File.WriteAllBytesAsync(Path.Combine(path, "temporary-0123"), new byte[10]);
        using FileWitness witness = new(path);
        Assert.Equal(ReadOutcome.Missing, (await witness.ReadAsync(Group, default)).Outcome);
    }

    [Fact]
    public async Task The_file_is_flushed_before_the_link_and_the_directory_after_it_by_both()
    {
        List<string> writing = [];
        using FileWitness writer = new(path, writing.Add);
        await writer.TrySwapAsync(Group, Entry(1), default);
        Assert.Equal(["flush file", "link", "flush directory"], writing);

        List<string> reading = [];
        using FileWitness reader = new(path, reading.Add);
        await reader.ReadAsync(Group, default);
        await reader.ReadAsync(Group, default);
        Assert.Equal(["flush directory"], reading);
    }

    private static RegisterEntry Entry(ulong term) => new(
        Register, Group, new Term(term), 7, SyncState.Stale, 8, new Lsn(99), Guid.NewGuid());
}
