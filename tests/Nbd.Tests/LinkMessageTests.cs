using StorageOs.NbdExport.Addresses;

namespace StorageOs.Nbd.Tests;

/// <summary>Link messages by value.</summary>
public sealed class LinkMessageTests
{
    [Fact]
    public void A_message_is_read_as_it_was_written()
    {
        byte[] bytes = new byte[LinkMessage.Bytes];
        new LinkMessage(LinkKind.Opened, 77).Write(bytes, 10809, 5);
        Assert.Equal(new LinkMessage(LinkKind.Opened, 77),
            LinkMessage.Read(bytes, true, 10809, 5, out _));
        Assert.Null(LinkMessage.Read(bytes, false, 10809, 5, out var refusal));
        Assert.Contains("one descriptor", refusal!.ToString());
        Assert.Null(LinkMessage.Read(bytes, true, 10810, 5, out _));
        Assert.Null(LinkMessage.Read(bytes, true, 10809, 6, out _));
        Assert.Null(LinkMessage.Read(bytes.AsSpan(1), true, 10809, 5, out _));
    }

    [Fact]
    public void No_mutation_is_taken_for_another_message()
    {
        byte[] good = new byte[LinkMessage.Bytes];
        new LinkMessage(LinkKind.Closed, 0).Write(good, 10809, 5);
        for (int at = 0; at < 16; at++)
        {
            for (int value = 0; value < 256; value++)
            {
                byte[] bytes = (byte[])good.Clone();
                bytes[at] = (byte)value;
                LinkMessage? read = LinkMessage.Read(bytes, false, 10809, 5, out var refusal);
                Assert.True(read is null ? refusal is not null
                    : !read.Value.BringsDescriptor && Enum.IsDefined(read.Value.Kind));
            }
        }
    }
}
