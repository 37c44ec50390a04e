using System.Net;
using System.Text;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Tcp;
using StorageOs.Transport.Verbs;
using Loopback = StorageOs.Transport.Loopback;

namespace StorageOs.Fuzz.Targets;

/// <summary>
/// What two nodes tell each other as a transport connects: the private data of rdma_cm, and the
/// addresses of ports, of verbs and of shared memory.
/// </summary>
internal sealed class GreetingTarget : Target
{
    private const uint Port = 4;
    private const ushort Node = 2;
    private const uint Interface = 1;
    private static readonly Loopback.FabricId Fabric = new(0x010203);

    /// <inheritdoc/>
    public override string Name => "greeting";

    /// <inheritdoc/>
    public override int BytesMax => 256;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types =>
    [
        "StorageOs.Transport.Verbs.Greeting", "StorageOs.Transport.Verbs.PortAddress",
        "StorageOs.Transport.Loopback.Greeting", "StorageOs.Transport.Loopback.PortAddress",
    ];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        QueuePairAddress pair = new(11, 12, 16);
        byte[] verbs = new Greeting((ushort)Port, Node, pair, 1, 2, 3, 4, 5, 6, 7).Encode();
        yield return verbs;
        yield return [.. verbs, .. new byte[140]];
        yield return new PortAddress(pair, 1, 5).Encode();
        yield return new Loopback.Greeting(Fabric, Interface, 1, 2, 3, 4, 5, 6).Encode();
        yield return new Loopback.PortAddress(Fabric, 9).Encode();
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        Greeting? verbs = Greeting.Decode(input, Port, Node, out Refusal? refusal);
        Promise.Require(verbs is null == refusal is not null, "what is refused is told why");
        Promise.Require(
            verbs is null || Greeting.Decode(verbs.Value.Encode(), Port, Node, out _) == verbs,
            "a greeting that was read is read again when it was written");
        PortAddress? port = PortAddress.Decode(input);
        Promise.Require(
            port is null || input.SequenceEqual(port.Value.Encode()),
            "a port's address is written as it was read");
        Loopback.PortAddress? local = Loopback.PortAddress.Decode(input);
        Promise.Require(
            local is null || input.SequenceEqual(local.Value.Encode()),
            "a port's address is written as it was read");
        if (input.Length >= Loopback.Greeting.Bytes) // It lies in a file of that length.
        {
            Loopback.Greeting? loopback = Loopback.Greeting.Decode(
                input, Fabric, Interface, out refusal);
            Promise.Require(
                loopback is null == refusal is not null, "what is refused is told why");
        }
    }
}

/// <summary>Addresses as people write them, of every transport.</summary>
internal sealed class AddressTarget : Target
{
    /// <inheritdoc/>
    public override string Name => "address";

    /// <inheritdoc/>
    public override int BytesMax => 256;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.Transport.Loopback.FabricId"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() =>
    [
        "10.9.0.1"u8.ToArray(), "fe80::5054:ff:fe12:3456"u8.ToArray(), "fe80::1%4"u8.ToArray(),
        "::ffff:10.0.0.1#3"u8.ToArray(), "fc:010203"u8.ToArray(), "10.1.2.3#65535"u8.ToArray(),
    ];

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        string text = Encoding.UTF8.GetString(input);
        if (Parses(text, HardwareAddress.Parse, out HardwareAddress hardware))
        {
            Promise.Require(
                HardwareAddress.Parse("again", $"{hardware}") == hardware,
                "an address that was read is read again when it was written");
        }

        if (Parses(text, NodeAddress.Parse, out IPAddress? node))
        {
            Promise.Require(
                NodeAddress.Parse("again", $"{node}").Equals(node),
                "an address that was read is read again when it was written");
            Span<byte> socket = stackalloc byte[NodeAddress.SocketBytesMax];
            _ = NodeAddress.Encode(node!, 7, socket);
            Promise.Require(
                NodeAddress.Decode(socket).Equals(node), "a socket's address is the address");
        }

        if (Parses(text, Loopback.FabricId.Parse, out Loopback.FabricId fabric))
        {
            Promise.Require(
                Loopback.FabricId.Parse("again", $"{fabric}") == fabric,
                "an address that was read is read again when it was written");
        }
    }

    private static bool Parses<T>(string text, Func<string, string, T> parse, out T? address)
    {
        try
        {
            address = parse("input", text);
            return true;
        }
        catch (RefusedException)
        {
            address = default;
            return false;
        }
    }
}
