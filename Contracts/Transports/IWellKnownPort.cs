namespace StorageOs.Contracts.Transports;

/// <summary>
/// The one connection made without anything but preset values: the partner's hardware address, its
/// port number and the memory address of its status page. Polled; a failed one is disposed and
/// opened anew.
/// </summary>
public interface IWellKnownPort : IDisposable
{
    /// <summary>Makes progress and tells where it stands. Never blocks. Kernel loop only.</summary>
    WellKnownState Poll();

    /// <summary>What it waits for, or why it failed: call, error, remedy. For people.</summary>
    string Detail { get; }

    /// <summary>The port; only when <see cref="WellKnownState.Connected"/>.</summary>
    IPort Port { get; }

    /// <summary>
    /// The partner's readable page at its preset memory address; only when connected.
    /// </summary>
    IRemoteMemory PartnerPage { get; }

    /// <summary>The partner's inbox behind its page; only when connected.</summary>
    IRemoteMemory PartnerInbox { get; }
}

/// <summary>Where a well-known port stands.</summary>
public enum WellKnownState
{
    /// <summary>
    /// The partner has not answered yet. It may never; whoever waits decides for how long.
    /// </summary>
    Connecting,

    /// <summary>Operations can be posted.</summary>
    Connected,

    /// <summary>It will not connect, or is not connected any more.</summary>
    Failed,
}

/// <summary>The preset values of both nodes.</summary>
/// <param name="LocalPort">This node's preset port number (a VI number; an rdma_cm port).</param>
/// <param name="PartnerAddress">The partner's preset hardware address.</param>
/// <param name="PartnerPort">The partner's preset port number.</param>
/// <param name="PartnerMemoryAddress">
/// The preset address of the partner's page in the partner's memory.
/// </param>
/// <param name="Connects">
/// True where this node connects and the partner listens: the lower system id connects.
/// </param>
/// <param name="Page">This node's page, offered for reading at its preset address.</param>
/// <param name="Inbox">
/// This node's inbox, offered for reading and writing, registered apart.
/// </param>
public sealed record WellKnownNeed(
    uint LocalPort,
    string PartnerAddress,
    uint PartnerPort,
    ulong PartnerMemoryAddress,
    bool Connects,
    IRegion Page,
    IRegion Inbox);
