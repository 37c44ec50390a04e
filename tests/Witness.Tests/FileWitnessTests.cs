using StorageOs.Contracts.Services;
using StorageOs.Witness.File;

namespace StorageOs.Witness.Tests;

/// <summary>The witness kept in files: no half register, nothing seen that is not kept.</summary>
public sealed class FileWitnessTests : WitnessKit
{
    private readonly string path = Directory.CreateTempSubdirectory("witness-").FullName;

    private static GroupId Group => Entries.Group;

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        Directory.Delete(path, recursive: true);
    }

    protected override IWitness Connect() => new FileWitness(path);

    protected override Task PutAsync(byte[] bytes) => System.IO.File.WriteAllBytesAsync(
        Path.Combine(path, TermFile.Name(Group, new Term(1))), bytes);

    [Fact]
    public Task A_swap_over_a_term_that_is_missing_says_which() => Use.SaysWhichTermAsync(Open());

    [Fact]
    public async Task An_empty_directory_is_missing_and_a_directory_that_is_gone_is_unavailable()
    {
        using FileWitness witness = new(path);
        Assert.Equal(ReadOutcome.Missing, (await witness.ReadAsync(Group, default)).Outcome);
        string own = Path.Combine(path, "none");
        using FileWitness gone = new(own);
        Assert.False(Directory.Exists(own));
        Assert.Equal(ReadOutcome.Missing, (await gone.ReadAsync(Group, default)).Outcome);
        Directory.Delete(own);
        Assert.Equal(ReadOutcome.Unavailable, (await gone.ReadAsync(Group, default)).Outcome);
    }

    [Fact]
    public async Task A_directory_that_cannot_be_made_yet_is_unavailable_and_then_it_is_not()
    {
        string server = Path.Combine(path, "server");
        System.IO.File.WriteAllText(server, "not there yet");
        using FileWitness witness = new(Path.Combine(server, "register"));
        WitnessReading reading = await witness.ReadAsync(Group, default);
        Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
        Assert.Contains(server, reading.Detail, StringComparison.Ordinal);
        System.IO.File.Delete(server);
        Assert.Equal(ReadOutcome.Missing, (await witness.ReadAsync(Group, default)).Outcome);
    }

    [Fact]
    public async Task Term_files_are_kept_and_others_are_not()
    {
        FileWitness[] all = [.. Enumerable.Range(0, 8).Select(_ => new FileWitness(path))];
        for (ulong term = 1; term <= 40; term++)
        {
            await Task.WhenAll(
                all.Select(w => w.TrySwapAsync(Group, Entries.Of(term), default).AsTask()));
        }

        Array.ForEach(all, static witness => witness.Dispose());
        Assert.Equal(40, Directory.GetFiles(path).Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    [InlineData(TermFile.Bytes - 1)]
    [InlineData(TermFile.Bytes + 1)]
    public async Task A_term_file_of_another_length_is_unavailable_and_says_so(int length)
    {
        byte[] bytes = TermFile.Encode(Entries.Of(1));
        Array.Resize(ref bytes, length);
        await PutAsync(bytes);
        using FileWitness witness = new(path);
        WitnessReading reading = await witness.ReadAsync(Group, default);
        Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
        Assert.Contains($"found {length}", reading.Detail, StringComparison.Ordinal);
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(2), default);
        Assert.Equal(SwapResult.Undecided, swap.Result);
    }

    [Fact]
    public void Every_flipped_bit_of_a_term_file_is_found()
    {
        byte[] good = TermFile.Encode(Entries.Of(1));
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
        await System.IO.File.WriteAllBytesAsync(Path.Combine(path, "temporary-0123"), new byte[10]);
        using FileWitness witness = new(path);
        Assert.Equal(ReadOutcome.Missing, (await witness.ReadAsync(Group, default)).Outcome);
    }

    [Fact]
    public async Task The_file_is_flushed_before_the_link_and_the_directory_after_it_by_both()
    {
        List<string> writing = [];
        using FileWitness writer = new(path, writing.Add);
        await writer.TrySwapAsync(Group, Entries.Of(1), default);
        Assert.Equal(["flush file", "link", "flush directory"], writing);

        List<string> reading = [];
        using FileWitness reader = new(path, reading.Add);
        await reader.ReadAsync(Group, default);
        await reader.ReadAsync(Group, default);
        Assert.Equal(["flush directory"], reading);
    }
}
