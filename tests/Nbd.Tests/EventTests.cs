using System.Net;
using System.Net.Sockets;
using StorageOs.Contracts.Services;
using StorageOs.Nbd.Host;
using StorageOs.NbdExport;
using StorageOs.NbdExport.Addresses;
using StorageOs.NbdExport.Interop;

namespace StorageOs.Nbd.Tests;

/// <summary>What an export tells its operator, each by its cause.</summary>
public sealed class EventTests : IDisposable
{
    private readonly string directory = Rig.NewDirectory();

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    [Raises("address-here", "address-gone")]
    public void An_address_comes_and_goes_with_its_group()
    {
        using Rig rig = new();
        rig.Node.Own(false);
    }

    [Fact]
    [Raises("address-not-moved")]
    public void An_address_of_an_interface_that_is_not_there_is_told_of_once()
    {
        using TestNode node = Node("a", "b", Rig.FreePort(), "nosuch0");
    }

    [Fact]
    [Raises("export-not-listening")]
    public async Task A_port_that_another_program_has_is_told_of()
    {
        int before = RaisesAttribute.CountOf("export-not-listening");
        using TcpListener other = new(IPAddress.Loopback, 0);
        other.Start();
        using TestNode node = Node(
            "a", "b", (ushort)((IPEndPoint)other.LocalEndpoint).Port);
        await Rig.Until(() => RaisesAttribute.CountOf("export-not-listening") > before, "told");
    }

    [Fact]
    [Raises("export-full")]
    public async Task One_client_too_many_is_told_of()
    {
        using Rig rig = new();
        List<TcpClient> clients = [];
        int before = RaisesAttribute.CountOf("export-full");
        for (int i = 0; i <= Limits.ConnectionsMax; i++)
        {
            TcpClient client = new();
            await client.ConnectAsync(IPAddress.Loopback, rig.Port);
            clients.Add(client);
        }

        await Rig.Until(() => RaisesAttribute.CountOf("export-full") > before, "told");
        clients.ForEach(static client => client.Dispose());
    }

    [Fact]
    [Raises("connection-dropped")]
    public async Task A_client_that_talks_nonsense_is_told_of()
    {
        using Rig rig = new();
        int before = RaisesAttribute.CountOf("connection-dropped");
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, rig.Port);
        await client.GetStream().WriteAsync(new byte[] { 0xff, 0xff, 0xff, 0xff });
        await Rig.Until(() => RaisesAttribute.CountOf("connection-dropped") > before, "told");
    }

    [Fact]
    [Raises("link-up", "link-down")]
    public async Task A_link_to_the_partner_comes_and_goes()
    {
        ushort port = Rig.FreePort();
        int up = RaisesAttribute.CountOf("link-up");
        int down = RaisesAttribute.CountOf("link-down");
        using TestNode a = Node("a", "b", port);
        using (Node("b", "a", port))
        {
            await Rig.Until(() => RaisesAttribute.CountOf("link-up") > up + 1, "linked");
        }

        await Rig.Until(() => RaisesAttribute.CountOf("link-down") > down, "the link is down");
    }

    [Fact]
    [Raises("link-refused", "listener-refused")]
    public async Task A_stranger_on_the_link_and_a_listener_of_another_port_are_told_of()
    {
        ushort port = Rig.FreePort();
        using TestNode a = Node("a", "b", port);
        AddressSettings settings = new(new GroupId(0), IPAddress.Loopback, port, directory);
        int refused = RaisesAttribute.CountOf("link-refused");
        using (LinkSocket stranger = Linked(settings.SocketPath("a")))
        {
            stranger.Send(new(LinkKind.Hello, 0), port, 77, null);
            await Rig.Until(() => RaisesAttribute.CountOf("link-refused") > refused, "refused");
        }

        int other = RaisesAttribute.CountOf("listener-refused");
        using LinkSocket partner = Linked(settings.SocketPath("a"));
        using Descriptor wrong = LinkSocket.Create();
        partner.Send(new(LinkKind.Listener, 0), port, 'b', wrong);
        await Rig.Until(() => RaisesAttribute.CountOf("listener-refused") > other, "refused");
    }

    private static LinkSocket Linked(string path)
    {
        Descriptor socket = LinkSocket.Create();
        byte[] address = NbdExport.Addresses.SocketAddress.Unix(path);
        Assert.Equal(0, Libc.connect(socket, ref address[0], address.Length));
        return new LinkSocket(socket);
    }

    private TestNode Node(
        string name, string partner, ushort port, string? network = null) => new(
        name, partner, port, directory, new TestVolume("vol0", new GroupId(0), 1 << 20, null),
        new LogTo(static _ => { }), network);
}
