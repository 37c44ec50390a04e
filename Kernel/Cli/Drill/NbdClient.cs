using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace StorageOs.Kernel.Cli.Drill;

/// <summary>
/// The smallest NBD client that a drill or a measurement needs: fixed newstyle, one export, simple
/// replies (NBD protocol document, "simple reply message"). Anything unexpected is an
/// <see cref="IOException"/>: the caller connects anew.
/// </summary>
internal sealed class NbdClient : IDisposable
{
    private const ulong Magic = 0x4e42444d41474943;
    private const ulong OptionMagic = 0x49484156454F5054;
    private const uint RequestMagic = 0x25609513;
    private const uint ReplyMagic = 0x67446698;
    private const int OptionExportName = 1;
    private const int ClientFlags = 3; // Fixed newstyle, no zeroes.
    private readonly Socket socket;
    private readonly byte[] header = new byte[28];
    private readonly byte[] reply = new byte[16];

    private NbdClient(Socket socket) => this.socket = socket;

    /// <summary>Connects and chooses an export.</summary>
    public static async Task<NbdClient> ConnectAsync(
        int port, string export, CancellationToken cancellation)
    {
        Socket socket =
            new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        NbdClient client = new(socket);
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), cancellation);
            byte[] hello = new byte[18];
            await client.ReceiveAsync(hello, cancellation);
            Check(BinaryPrimitives.ReadUInt64BigEndian(hello), Magic);
            Check(BinaryPrimitives.ReadUInt64BigEndian(hello.AsSpan(8)), OptionMagic);
            byte[] name = Encoding.UTF8.GetBytes(export);
            byte[] option = new byte[20 + name.Length];
            BinaryPrimitives.WriteInt32BigEndian(option, ClientFlags);
            BinaryPrimitives.WriteUInt64BigEndian(option.AsSpan(4), OptionMagic);
            BinaryPrimitives.WriteInt32BigEndian(option.AsSpan(12), OptionExportName);
            BinaryPrimitives.WriteInt32BigEndian(option.AsSpan(16), name.Length);
            name.CopyTo(option.AsSpan(20));
            await client.SendAsync(option, cancellation);
            await client.ReceiveAsync(new byte[10], cancellation); // Size and flags.
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>Sends a write; its reply comes by <see cref="ReplyAsync"/>.</summary>
    public async Task WriteAsync(
        ulong cookie, long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        await SendHeaderAsync(1, cookie, offset, bytes.Length, cancellation);
        await SendAsync(bytes, cancellation);
    }

    /// <summary>Reads and waits for the bytes; nothing else may be in flight.</summary>
    public async Task ReadAsync(long offset, Memory<byte> into, CancellationToken cancellation)
    {
        await SendHeaderAsync(0, 1, offset, into.Length, cancellation);
        _ = await ReplyAsync(cancellation);
        await ReceiveAsync(into, cancellation);
    }

    /// <summary>The cookie of the next request that was answered with success.</summary>
    public async Task<ulong> ReplyAsync(CancellationToken cancellation)
    {
        await ReceiveAsync(reply, cancellation);
        Check(BinaryPrimitives.ReadUInt32BigEndian(reply), ReplyMagic);
        uint error = BinaryPrimitives.ReadUInt32BigEndian(reply.AsSpan(4));
        return error == 0
            ? BinaryPrimitives.ReadUInt64BigEndian(reply.AsSpan(8))
            : throw new IOException($"the export answered with error {error}");
    }

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    private async Task SendHeaderAsync(
        ushort command, ulong cookie, long offset, int length, CancellationToken cancellation)
    {
        BinaryPrimitives.WriteUInt32BigEndian(header, RequestMagic);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(4), 0);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(6), command);
        BinaryPrimitives.WriteUInt64BigEndian(header.AsSpan(8), cookie);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(16), offset);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(24), length);
        await SendAsync(header, cancellation);
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes, cancellation)..];
        }
    }

    private async Task ReceiveAsync(Memory<byte> bytes, CancellationToken cancellation)
    {
        while (!bytes.IsEmpty)
        {
            int got = await socket.ReceiveAsync(bytes, cancellation);
            if (got == 0)
            {
                throw new IOException("the export closed the connection");
            }

            bytes = bytes[got..];
        }
    }

    private static void Check(ulong found, ulong expected)
    {
        if (found != expected)
        {
            throw new IOException($"expected {expected:x} from the export, found {found:x}");
        }
    }
}
