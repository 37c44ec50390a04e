using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>How many goodbyes the card still works on, and whether all went well so far.</summary>
internal sealed class Goodbyes
{
    /// <summary>Posted and not completed.</summary>
    public int InFlight { get; private set; }

    /// <summary>The first thing that went wrong; null while nothing has.</summary>
    public string? Wrong { get; private set; }

    /// <summary>One was given to the card, with its answer to that.</summary>
    public void Posted(int error)
    {
        if (error == 0)
        {
            InFlight++;
        }
        else
        {
            Wrong ??= $"ibv_post_send of a goodbye: error {error}";
        }
    }

    /// <summary>Completions were taken, good and bad ones; a negative count: none can be.</summary>
    public void Took(ReadOnlySpan<IbvWc> done, int count)
    {
        if (count < 0)
        {
            Wrong ??= "ibv_poll_cq failed";
            return;
        }

        InFlight -= count;
        foreach (IbvWc one in done[..count])
        {
            if (one.Status != IbvConstants.IBV_WC_SUCCESS)
            {
                Wrong ??= $"a goodbye failed with status {one.Status}";
            }
        }
    }
}
