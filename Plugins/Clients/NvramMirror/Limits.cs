namespace StorageOs.NvramMirror;

/// <summary>Limits of the mirrored log that concern its partner, each with its unit.</summary>
internal static class Limits
{
    /// <summary>
    /// From this fill on, in eighths of the ring, a partner's disk that stands still is waited for
    /// no longer than <see cref="PartnerStandstillMax"/> (rule L4).
    /// </summary>
    public const int FillEighths = 4;

    /// <summary>
    /// Bytes of records in flight to the partner: what a link of 100 Gb/s holds at 40 µs there and
    /// back. More would go no faster, and whatever else crosses the link would wait behind it.
    /// </summary>
    public const int BytesInFlightMax = 512 << 10;

    /// <summary>
    /// Bursts of records in flight to the partner, each with its tail. What is appended meanwhile
    /// goes out as one: a client's requests that come one by one cost no more than those that come
    /// together, and one that waits for each answer never waits for this.
    /// </summary>
    public const int BurstsInFlightMax = 4;

    /// <summary>
    /// How long a partner's disk may stand still while the log fills; then it counts as gone and is
    /// marked stale. Longer than a disk's own retries, shorter than most clients' patience.
    /// </summary>
    public static readonly TimeSpan PartnerStandstillMax = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a partner given up for its disk is left alone within the same session, before all
    /// is copied to it anew: a disk that stays broken must not stop the owner each time.
    /// </summary>
    public static readonly TimeSpan PartnerHoldOff = TimeSpan.FromSeconds(60);

    /// <summary>How long a full log that nothing leaves is told of after.</summary>
    public static readonly TimeSpan StallTold = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Between two tries to offer a copy: a card that hangs holds up the reactor for two seconds
    /// each time.
    /// </summary>
    public static readonly TimeSpan OfferRetry = TimeSpan.FromSeconds(30);
}
