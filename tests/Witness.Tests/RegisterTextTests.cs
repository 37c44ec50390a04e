using System.Text;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Witness.Etcd;

namespace StorageOs.Witness.Tests;

/// <summary>The text of an entry: what is not exactly what was written is not believed.</summary>
public sealed class RegisterTextTests
{
    private static GroupId Group => Entries.Group;

    [Fact]
    public void Every_flipped_bit_is_found()
    {
        byte[] good = RegisterText.Encode(Entries.Of(1));
        Assert.NotNull(RegisterText.Decode(good, Group, out _));
        for (int bit = 0; bit < good.Length * 8; bit++)
        {
            byte[] bad = [.. good];
            bad[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(RegisterText.Decode(bad, Group, out string wrong));
            Assert.NotEmpty(wrong);
        }
    }

    [Fact]
    public void Every_shorter_or_longer_text_is_refused()
    {
        byte[] good = RegisterText.Encode(Entries.Of(1));
        for (int length = 0; length < good.Length; length++)
        {
            Assert.Null(RegisterText.Decode(good.AsSpan(0, length), Group, out _));
        }

        Assert.Null(RegisterText.Decode([.. good, 10], Group, out _));
        Assert.Null(RegisterText.Decode([10, .. good], Group, out _));
    }

    [Fact]
    public void An_entry_of_the_other_group_is_refused()
    {
        byte[] bytes = RegisterText.Encode(Entries.Of(1));
        Assert.Null(RegisterText.Decode(bytes, new GroupId(1), out string wrong));
        Assert.Equal("expected group1, found group0", wrong);
    }

    [Theory]
    [InlineData("[]", "expected an entry")]
    [InlineData("{}", "expected an entry")]
    [InlineData("{\"version\":2}", "expected version 1, found 2")]
    [InlineData("{\"version\":\"1\"}", "expected an entry")]
    [InlineData("{\"version\":1,\"group\":0,\"term\":0}", "expected a term of 1 or later")]
    [InlineData("{\"version\":1,\"group\":0,\"term\":-1}", "expected an entry")]
    [InlineData("{\"version\":1,\"group\":0,\"term\":1}", "expected an entry")]
    [InlineData("rubbish", "expected an entry")]
    public void A_text_with_the_right_checksum_that_is_no_entry_is_refused(
        string text, string expected)
    {
        byte[] first = Encoding.UTF8.GetBytes(text);
        byte[] bytes = [.. first, .. Encoding.ASCII.GetBytes($"\n{Crc32C.Of(first):x8}")];
        Assert.Null(RegisterText.Decode(bytes, Group, out string wrong));
        Assert.StartsWith(expected, wrong);
    }
}
