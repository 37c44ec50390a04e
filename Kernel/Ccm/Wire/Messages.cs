using MessagePack;
using StorageOs.Contracts.Transports;

namespace StorageOs.Kernel.Ccm.Wire;

/// <summary>
/// What two nodes say once they have proved the pair key; each travels as one sealed record.
/// </summary>
[Union(0, typeof(ClientEdition))]
[Union(1, typeof(GrantMessage))]
[Union(2, typeof(ClientReadyMessage))]
[Union(3, typeof(ReadyMessage))]
[Union(4, typeof(PortMessage))]
[Union(5, typeof(RegionMessage))]
public abstract record Message;

/// <summary>
/// What all clients of the sender need, as a numbered edition; the latest one counts.
/// </summary>
[MessagePackObject]
public sealed record ClientEdition(
    [property: Key(0)] uint Number,
    [property: Key(1)] ClientInfo[] Clients) : Message;

/// <summary>What one client needs.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Incarnation">
/// Counts the client's admissions on its node, so that one that left and came back is new.
/// </param>
/// <param name="VersionMin">Lowest interface version its twin may have.</param>
/// <param name="VersionMax">Highest interface version its twin may have.</param>
/// <param name="Ports">Its ports.</param>
/// <param name="Regions">Its memory.</param>
/// <param name="Critical">Whether its node is degraded without it.</param>
[MessagePackObject]
public sealed record ClientInfo(
    [property: Key(0)] string Name,
    [property: Key(1)] uint Incarnation,
    [property: Key(2)] ushort VersionMin,
    [property: Key(3)] ushort VersionMax,
    [property: Key(4)] PortInfo[] Ports,
    [property: Key(5)] RegionInfo[] Regions,
    [property: Key(6)] bool Critical);

/// <summary>A port a client needs.</summary>
[MessagePackObject]
public sealed record PortInfo(
    [property: Key(0)] string Name, [property: Key(1)] int PostsInFlightMax,
    [property: Key(2)] PortClass Class);

/// <summary>Memory a client needs.</summary>
[MessagePackObject]
public sealed record RegionInfo(
    [property: Key(0)] string Name,
    [property: Key(1)] int Bytes,
    [property: Key(2)] RemoteAccess Access,
    [property: Key(3)] bool OfferedOnRequest);

/// <summary>
/// The sender's ends of one client's ports and its offered regions, for one pair of incarnations.
/// </summary>
[MessagePackObject]
public sealed record GrantMessage(
    [property: Key(0)] string Client,
    [property: Key(1)] uint SenderIncarnation,
    [property: Key(2)] uint ReceiverIncarnation,
    [property: Key(3)] uint PlanHash,
    [property: Key(4)] byte[][] Ports,
    [property: Key(5)] RegionOffer[] Regions) : Message;

/// <summary>A region offered to the receiver.</summary>
[MessagePackObject]
public sealed record RegionOffer(
    [property: Key(0)] string Name,
    [property: Key(1)] ulong RegionKey,
    [property: Key(2)] ulong Address,
    [property: Key(3)] ulong Length,
    [property: Key(4)] RemoteAccess Access)
{
    /// <summary>As the transport takes it.</summary>
    [IgnoreMember]
    public RemoteRegion Region => new(RegionKey, Address, Length, Access);

    /// <summary>From what the transport gave.</summary>
    public static RegionOffer Of(string name, RemoteRegion region) =>
        new(name, region.Key, region.Address, region.Length, region.Access);
}

/// <summary>The sender's end of this client is connected.</summary>
[MessagePackObject]
public sealed record ClientReadyMessage(
    [property: Key(0)] string Client,
    [property: Key(1)] uint SenderIncarnation,
    [property: Key(2)] uint ReceiverIncarnation) : Message;

/// <summary>The sender's end of every client both nodes have is connected.</summary>
[MessagePackObject]
public sealed record ReadyMessage : Message;

/// <summary>
/// A port re-opened at run time (with the sender's new address) or closed (without).
/// </summary>
[MessagePackObject]
public sealed record PortMessage(
    [property: Key(0)] string Client,
    [property: Key(1)] string Port,
    [property: Key(2)] uint Generation,
    [property: Key(3)] byte[]? Address) : Message;

/// <summary>A region offered at run time, or withdrawn (without an offer).</summary>
[MessagePackObject]
public sealed record RegionMessage(
    [property: Key(0)] string Client,
    [property: Key(1)] string Region,
    [property: Key(2)] RegionOffer? Offer) : Message;
