using StorageOs.NbdExport;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.Nbd.Tests;

/// <summary>Requests and replies by value.</summary>
public sealed class RequestTests
{
    private const long VolumeBytes = 1 << 20;

    [Theory]
    [InlineData(NbdCommand.Read, 0, 0ul, 4096u, NbdError.None)]
    [InlineData(NbdCommand.Read, 4, 0ul, 4096u, NbdError.None)]
    [InlineData(NbdCommand.Read, 8, 0ul, 4096u, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, 0, 0ul, 0u, NbdError.Invalid)]
    [InlineData(NbdCommand.Read, 0, 1048576ul, 1u, NbdError.Invalid)]
    [InlineData(NbdCommand.Write, 1, 1048575ul, 1u, NbdError.None)]
    [InlineData(NbdCommand.Write, 0, 1048575ul, 2u, NbdError.NoSpace)]
    [InlineData(NbdCommand.Write, 0, ulong.MaxValue, 2u, NbdError.NoSpace)]
    [InlineData(NbdCommand.WriteZeroes, 3, 0ul, 1048576u, NbdError.None)]
    [InlineData(NbdCommand.WriteZeroes, 16, 0ul, 512u, NbdError.Invalid)]
    [InlineData(NbdCommand.Trim, 0, 0ul, 1048577u, NbdError.Invalid)]
    [InlineData(NbdCommand.Flush, 0, 0ul, 0u, NbdError.None)]
    [InlineData(NbdCommand.Flush, 0, 1ul, 0u, NbdError.Invalid)]
    [InlineData(NbdCommand.BlockStatus, 8, 0ul, 4096u, NbdError.None)]
    [InlineData((NbdCommand)5, 0, 0ul, 4096u, NbdError.Invalid)]
    [InlineData((NbdCommand)0xffff, 0, 0ul, 4096u, NbdError.Invalid)]
    public void A_request_is_judged_before_the_volume_sees_it(
        object command, int flags, ulong offset, uint length, object expected)
    {
        var header = new RequestHeader(
            (NbdCommandFlags)flags, (NbdCommand)command, 7, offset, length);
        Assert.Equal((NbdError)expected,
            header.Judge(VolumeBytes, structured: true, allocation: true));
    }

    [Fact]
    public void Block_status_needs_its_context_and_a_long_read_is_an_overflow()
    {
        var status = new RequestHeader(0, NbdCommand.BlockStatus, 7, 0, 4096);
        Assert.Equal(NbdError.Invalid, status.Judge(VolumeBytes, true, allocation: false));
        var read = new RequestHeader(0, NbdCommand.Read, 7, 0, Limits.RequestBytesMax + 1);
        Assert.Equal(NbdError.Overflow, read.Judge(1L << 30, true, false));
    }

    [Fact]
    public void A_header_with_the_wrong_magic_or_an_endless_payload_ends_the_connection()
    {
        byte[] bytes = Convert.FromHexString(
            "25609513" + "0001" + "0001" + "0102030405060708" + "0000000000001000" + "00001000");
        Assert.True(RequestHeader.TryRead(bytes, out RequestHeader header, out _));
        Assert.Equal(new(NbdCommandFlags.ForceUnitAccess, NbdCommand.Write, 0x0102030405060708,
            4096, 4096), header);
        bytes[24] = 0xff;
        Assert.False(RequestHeader.TryRead(bytes, out _, out var refusal));
        Assert.Contains("33554432", refusal!.ToString());
        bytes[0] = 0;
        Assert.False(RequestHeader.TryRead(bytes, out _, out refusal));
        Assert.Contains("25609513", refusal!.ToString());
    }

    [Theory]
    [InlineData(NbdCommand.Write, NbdError.NoSpace, "674466980000001C0000000000000007")]
    [InlineData(NbdCommand.Read, NbdError.None,
        "668E33EF00010001000000000000000700001008" + "0000000000002000")]
    [InlineData(NbdCommand.Read, NbdError.Io,
        "668E33EF00018001000000000000000700000006" + "000000050000")]
    [InlineData(NbdCommand.BlockStatus, NbdError.None,
        "668E33EF00010005000000000000000700001004" + "00000001")]
    public void The_head_of_a_reply_is_as_the_protocol_says(
        object command, object error, string expected)
    {
        var request = new RequestHeader(0, (NbdCommand)command, 7, 8192, 4096);
        byte[] room = new byte[Replies.HeadBytesMax];
        Replies.Write(room, request, (NbdError)error, structured: true, 4096);
        int bytes = Replies.HeadBytes((NbdCommand)command, (NbdError)error, structured: true);
        Assert.Equal(expected, Convert.ToHexString(room, 0, bytes));
    }
}
