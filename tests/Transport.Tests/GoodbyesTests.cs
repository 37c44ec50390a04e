using StorageOs.Transport.Verbs;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Tests;

/// <summary>What the card still works on decides where its queue pair may be destroyed.</summary>
public sealed class GoodbyesTests
{
    private const uint Flushed = 5; // IBV_WC_WR_FLUSH_ERR

    [Fact]
    public void All_that_failed_together_are_counted()
    {
        Goodbyes goodbyes = new();
        for (int i = 0; i < 3; i++)
        {
            goodbyes.Posted(0);
        }

        IbvWc[] done = new IbvWc[16];
        Array.Fill(done, new IbvWc { Status = Flushed });
        goodbyes.Took(done, 3);
        Assert.Equal(0, goodbyes.InFlight);
        Assert.Contains("status 5", goodbyes.Wrong, StringComparison.Ordinal);
    }

    [Fact]
    public void One_that_the_card_did_not_take_is_not_waited_for()
    {
        Goodbyes goodbyes = new();
        goodbyes.Posted(12);
        goodbyes.Took([], -1);
        Assert.Equal(0, goodbyes.InFlight);
        Assert.Contains("error 12", goodbyes.Wrong, StringComparison.Ordinal);
    }
}
