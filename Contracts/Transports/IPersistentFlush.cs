using System.Runtime.InteropServices;

namespace StorageOs.Contracts.Transports;

/// <summary>
/// Optional ability of a port: makes earlier writes of this port durable in the partner's
/// persistent memory (a read-after-write on verbs; see RFC 5040 placement and SNIA's NVM PM remote
/// access for why a write's completion alone says nothing of durability).
/// </summary>
public interface IPersistentFlush
{
    /// <summary>
    /// Posts the flush; completes like any post once the earlier writes are durable.
    /// </summary>
    bool TryPostFlush(ulong token, IRemoteMemory target);
}

/// <summary>
/// Optional ability of a port: a descriptor that becomes readable when completions may have come,
/// so that an idle owner need not poll. Without it, completions of a post are there when it
/// returns.
/// </summary>
public interface ICompletionChannel
{
    /// <summary>
    /// The descriptor to watch; the port's. Of a port that is disposed already, as one may be whose
    /// session ended while word of it was under way, it is closed and tells nothing.
    /// </summary>
    SafeHandle Descriptor { get; }

    /// <summary>
    /// Asks for one wake-up; poll once more after it, for completions may have come between. Does
    /// nothing on a disposed port.
    /// </summary>
    void Arm();
}
