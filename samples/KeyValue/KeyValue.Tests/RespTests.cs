using System.Text;

namespace Sample.KeyValue.Tests;

/// <summary>What applications send, whole, in pieces, and wrong.</summary>
public sealed class RespTests
{
    [Fact]
    public void A_command_is_read_however_it_comes_in_pieces()
    {
        byte[] bytes = [.. "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$6\r\na\r\nb\0c\r\n"u8];
        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.Null(Resp.Read(bytes.AsSpan(0, length), out string[]? part, out _));
            Assert.Null(part);
        }

        Assert.Null(Resp.Read([.. bytes, .. "PING\r\n"u8], out string[]? words, out int taken));
        Assert.Equal(["SET", "k", "a\r\nb\0c"], words!);
        Assert.Equal(bytes.Length, taken);
        Assert.Null(Resp.Read("PING  x\r\n"u8, out words, out taken));
        Assert.Equal(["PING", "x"], words!);
        Assert.Equal(9, taken);
    }

    [Theory]
    [InlineData("*x\r\n")]
    [InlineData("*-1\r\n")]
    [InlineData("*9999999999\r\n")]
    [InlineData("*1025\r\n")]
    [InlineData("*1\r\n:1\r\n")]
    [InlineData("*1\r\n$70000\r\n")]
    [InlineData("*1\r\n$-5\r\n")]
    [InlineData("*1\r\n$3\r\nGETxx")]
    [InlineData("*11111111111111111111111")]
    public void What_is_no_command_is_refused(string text) =>
        Assert.NotNull(Resp.Read(Encoding.ASCII.GetBytes(text), out _, out _));

    [Fact]
    public void What_has_no_end_is_refused()
    {
        Assert.NotNull(Resp.Read(new byte[2000], out _, out _));
        byte[] many = [.. "*1024\r\n"u8, .. new byte[Resp.CommandBytesMax]];
        Assert.NotNull(Resp.Read(many, out _, out _));
        byte[] large = [.. "*2\r\n$65536\r\n"u8, .. new byte[Resp.CommandBytesMax]];
        Assert.NotNull(Resp.Read(large, out _, out _));
    }

    [Fact]
    public void Garbage_is_refused_or_waits_and_never_throws()
    {
        Random random = new(1);
        string letters = "*$0123456789\r\n\r\nGETSETk ";
        for (int turn = 0; turn < 200_000; turn++)
        {
            byte[] bytes = new byte[random.Next(40)];
            for (int at = 0; at < bytes.Length; at++)
            {
                bytes[at] = random.Next(20) == 0
                    ? (byte)random.Next(256) : (byte)letters[random.Next(letters.Length)];
            }

            string? wrong = Resp.Read(bytes, out string[]? words, out int taken);
            Assert.True(wrong is null || words is null);
            Assert.InRange(taken, words is null ? 0 : 1, words is null ? 0 : bytes.Length);
        }
    }

    [Fact]
    public void A_frame_that_is_torn_is_none()
    {
        Frame frame = new(FrameKind.Set, 7, 9, "k\u00ff", [1, 2, 3]);
        byte[] bytes = new byte[frame.Bytes];
        frame.Write(bytes);
        Frame read = Frame.Read(bytes)!;
        Assert.Equal((7UL, 9UL, "k\u00ff"), (read.Count, read.Reign, read.Key));
        Assert.Equal(frame.Value, read.Value);
        for (int at = 0; at < bytes.Length; at++)
        {
            byte[] torn = [.. bytes];
            torn[at] ^= 0x10;
            Assert.Null(Frame.Read(torn));
            Assert.Null(Frame.Read(bytes.AsSpan(0, at)));
        }
    }
}
