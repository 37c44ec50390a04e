// A whole connection of the export over a real pair of sockets: what the core above it makes of
// requests, its buffers and its bounds. The volume is memory that answers at once; the reactor
// calls what is due, for there is only this one connection.
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NbdExport.Connections;
using StorageOs.NbdExport.Interop;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.Fuzz.Targets;

/// <summary>A connection, from its greeting to its end.</summary>
internal sealed class NbdConnectionTarget : Target
{
    private const int TurnsMax = 4_096;
    private readonly byte[] sink = new byte[256 * Size.KiB];
    private readonly NbdOwner owner = new();

    /// <inheritdoc/>
    public override string Name => "nbd-connection";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.NbdExport.Protocol"];

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 1_200_000 + (32_768L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() => NbdWords.Seeds();

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length == 0)
        {
            return;
        }

        int cut = input[0] == 0 ? int.MaxValue : input[0];
        ReadOnlySpan<byte> stream = input[1..];
        using Descriptor client = owner.Connect();
        int greeted = Drain(client);
        Promise.Require(greeted >= 18, "a client is greeted");
        while (stream.Length > 0 && !owner.Ended)
        {
            ReadOnlySpan<byte> piece = stream[..Math.Min(stream.Length, cut)];
            int sent = Sockets.Send(client, piece);
            if (sent <= 0)
            {
                break; // It listens no more, for its client reads nothing or has broken the rules.
            }

            stream = stream[sent..];
            Settle(client);
        }

        Sockets.Shutdown(client);
        Settle(client);
        Promise.Require(owner.Ended, "a connection ends when its client has gone");
        Promise.Require(owner.Unanswered == 0, "a volume's requests are all given back");
    }

    private void Settle(Descriptor client)
    {
        for (int turn = 0; owner.Turn() | Drain(client) > 0; turn++)
        {
            Promise.Require(turn < TurnsMax, "a connection comes to rest");
        }
    }

    private int Drain(Descriptor client)
    {
        int all = 0;
        for (int count; (count = Sockets.Receive(client, sink)) > 0;)
        {
            all += count;
        }

        return all;
    }
}

/// <summary>The one connection's owner, and its reactor.</summary>
internal sealed partial class NbdOwner : IConnectionOwner, IReactor, IDescriptorWatch
{
    private readonly MemoryVolume volume = new();
    private NbdConnection? connection;
    private Descriptor? server;
    private Action<DescriptorInterest>? ready;
    private bool turnDue;

    /// <summary>Whether the connection has ended.</summary>
    public bool Ended { get; private set; }

    /// <summary>Requests that the volume has and has not answered.</summary>
    public int Unanswered => volume.Unanswered;

    /// <inheritdoc/>
    public BufferPool Buffers { get; } = new();

    /// <inheritdoc/>
    public ExportTable Exports => NbdWords.Exports;

    /// <inheritdoc/>
    public IReactor Reactor => this;

    /// <inheritdoc/>
    public DescriptorInterest Interest { get; set; }

    /// <inheritdoc/>
    public string Name => "fuzz";

    /// <inheritdoc/>
    public Instant Now => default;

    /// <inheritdoc/>
    public bool IsCurrent => true;

    /// <summary>A new connection; the client's end of it.</summary>
    public Descriptor Connect()
    {
        Span<int> ends = stackalloc int[2];
        int result = socketpair(
            Constants.AF_UNIX, Constants.SOCK_STREAM | Constants.SOCK_NONBLOCK, 0, ends);
        Invariant.Require(result == 0);
        (Ended, turnDue, ready, Interest) = (false, false, null, DescriptorInterest.None);
        server = new Descriptor(ends[1]);
        connection = new NbdConnection(this, server, 1);
        connection.Start();
        return new Descriptor(ends[0]);
    }

    /// <summary>Calls what is due; whether anything was.</summary>
    public bool Turn()
    {
        if (Ended)
        {
            return false;
        }

        if (turnDue)
        {
            turnDue = false;
            connection!.Turn();
            return true;
        }

        DescriptorInterest due = Interest & DescriptorInterest.Writable;
        if ((Interest & DescriptorInterest.Readable) != 0 && HasInput())
        {
            due |= DescriptorInterest.Readable;
        }

        if (due != DescriptorInterest.None)
        {
            ready!(due);
        }
        else if (Sockets.HasEnded(server!))
        {
            // As epoll does, which tells of a hang-up that nobody waits for.
            ready!(DescriptorInterest.Readable);
            due = DescriptorInterest.Readable;
        }

        return due != DescriptorInterest.None;
    }

    /// <inheritdoc/>
    public IVolume Volume(int export) => volume;

    /// <inheritdoc/>
    public void NeedsTurn(NbdConnection which) => turnDue = true;

    /// <inheritdoc/>
    void IConnectionOwner.Ended(NbdConnection which, Refusal? refusal) => Ended = true;

    /// <inheritdoc/>
    public IDescriptorWatch Watch(
        SafeHandle handle, DescriptorInterest interest, Action<DescriptorInterest> call)
    {
        (ready, Interest) = (call, interest);
        return this;
    }

    /// <inheritdoc/>
    public IDisposable After(TimeSpan delay, Action callback) => this;

    /// <inheritdoc/>
    public IDisposable Every(TimeSpan period, Action callback) => this;

    /// <inheritdoc/>
    public IDisposable Poll(Func<bool> poll) => this;

    /// <inheritdoc/>
    public void Post(Action<object?> callback, object? state) => callback(state);

    /// <inheritdoc/>
    public void Dispose()
    {
        // Of a watch or a timer: neither is called again once the connection has ended.
    }

    private bool HasInput()
    {
        byte one = 0;
        return Libc.recv(
            server!, ref one, 1, Constants.MSG_PEEK | Constants.MSG_DONTWAIT) >= 0;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, Span<int> ends);
}

/// <summary>A volume in memory that answers at once.</summary>
internal sealed class MemoryVolume : IVolume
{
    private readonly byte[] bytes = new byte[NbdWords.VolumeBytes];

    /// <inheritdoc/>
    public string Name => "vol0";

    /// <inheritdoc/>
    public GroupId Group => new(0);

    /// <inheritdoc/>
    public long SizeBytes => bytes.Length;

    /// <inheritdoc/>
    public bool Served => true;

    /// <summary>Submitted and not answered.</summary>
    public int Unanswered { get; private set; }

    /// <inheritdoc/>
    public void Submit(VolumeRequest request)
    {
        Unanswered++;
        Span<byte> range = bytes.AsSpan((int)request.Offset, request.Length);
        switch (request.Operation)
        {
            case VolumeOperation.Read:
                range.CopyTo(request.Buffer.Span);
                break;
            case VolumeOperation.Write:
                request.Buffer.Span[..request.Length].CopyTo(range);
                break;
            case VolumeOperation.Trim or VolumeOperation.WriteZeroes:
                range.Clear();
                break;
            default:
                break;
        }

        Unanswered--;
        request.Complete(VolumeStatus.Ok);
    }

    /// <inheritdoc/>
    public void Commit()
    {
        // Everything was answered as it came.
    }

    /// <inheritdoc/>
    public void Extents(long offset, long length, Action<long, bool> extent)
    {
        for (long end = offset + length; offset < end;)
        {
            long next = Math.Min(end, (offset / 4096 * 4096) + 4096);
            extent(next - offset, (offset / 4096 & 1) == 0);
            offset = next;
        }
    }
}
