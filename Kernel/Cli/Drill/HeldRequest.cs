using System.Net.Sockets;

namespace StorageOs.Kernel.Cli.Drill;

// The sharpest question to a node that was stopped: its own connection holds a write that reached
// it only after it stopped. When it wakes, the write is there to be read, and the node believes
// for a moment that it still owns the volume. It must neither answer it nor let it land.

/// <summary>A write sent to a node that does not run, to be found unanswered later.</summary>
internal sealed class HeldRequest : IDisposable
{
    private const byte Pattern = 0xa5;
    private readonly NbdClient client;
    private readonly int port;
    private readonly string export;
    private readonly long offset;

    private HeldRequest(NbdClient client, int port, string export, long offset) =>
        (this.client, this.port, this.export, this.offset) = (client, port, export, offset);

    /// <summary>Connects to the node while it still serves.</summary>
    /// <param name="port">The service address of the node's own volume.</param>
    /// <param name="export">That volume.</param>
    /// <param name="offset">A chunk of it that nothing else writes.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<HeldRequest> ConnectAsync(
        int port, string export, long offset, CancellationToken cancellation) =>
        new(await NbdClient.ConnectAsync(port, export, cancellation), port, export, offset);

    /// <summary>Sends the write; the node is stopped by now.</summary>
    public async Task SendAsync(CancellationToken cancellation)
    {
        byte[] bytes = new byte[LedgerWriter.ChunkBytes];
        Array.Fill(bytes, Pattern);
        await client.WriteAsync(1, offset, bytes, cancellation);
    }

    /// <summary>Whether the connection ended without an answer, within the limit.</summary>
    public async Task<bool> EndedUnansweredAsync(
        TimeSpan limit, CancellationToken cancellation)
    {
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timer.CancelAfter(limit);
        try
        {
            _ = await client.ReplyAsync(timer.Token);
            return false;
        }
        catch (Exception ended) when (ended is IOException or SocketException)
        {
            return true;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>Whether nothing of the write is in the volume.</summary>
    public async Task<bool> DidNotLandAsync(CancellationToken cancellation)
    {
        using PatientReader reader = new(port, export);
        byte[] read = new byte[LedgerWriter.ChunkBytes];
        await reader.ReadAsync(offset, read, cancellation);
        return !read.AsSpan().ContainsAnyExcept((byte)0);
    }

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();
}
