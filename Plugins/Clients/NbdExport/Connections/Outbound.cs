using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NbdExport.Interop;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.NbdExport.Connections;

/// <summary>What became of a flush.</summary>
internal enum FlushOutcome
{
    /// <summary>All is sent.</summary>
    Done,

    /// <summary>The socket takes no more for now.</summary>
    Blocked,

    /// <summary>The connection is broken.</summary>
    Broken,
}

/// <summary>
/// Replies on their way out, in order. Small ones are gathered into one buffer and sent together;
/// the data of a large read is sent from the request's own buffer.
/// </summary>
internal sealed class Outbound(Action<NbdRequest> release)
{
    private readonly byte[] gathered =
        GC.AllocateUninitializedArray<byte>(Limits.SendBufferBytes, pinned: true);

    private readonly List<WriteTrace> traced = [];
    private int start;
    private int end;
    private NbdRequest? first;
    private NbdRequest? last;
    private NbdRequest? large;
    private int largeSent;
    private int largeEnd;

    /// <summary>Whether there is nothing to send.</summary>
    public bool Empty => start == end && first is null && large is null;

    /// <summary>Room for handshake messages; empty space of the gather buffer.</summary>
    public Span<byte> Room()
    {
        if (start == end)
        {
            start = end = 0;
        }

        return gathered.AsSpan(end);
    }

    /// <summary>Adds what was written into <see cref="Room"/>.</summary>
    public void Add(int count) => end += count;

    /// <summary>Queues a reply.</summary>
    public void Enqueue(NbdRequest request)
    {
        request.Behind = null;
        if (last is null)
        {
            first = request;
        }
        else
        {
            last.Behind = request;
        }

        last = request;
    }

    /// <summary>Sends what the socket takes.</summary>
    public FlushOutcome Flush(Descriptor socket, bool structured)
    {
        while (!Empty)
        {
            Gather(structured);
            FlushOutcome outcome = Send(socket, gathered, ref start, end);
            if (outcome == FlushOutcome.Done && large is not null)
            {
                outcome = Send(socket, large.Storage!, ref largeSent, largeEnd);
            }

            if (outcome != FlushOutcome.Done)
            {
                return outcome;
            }

            if (traced.Count != 0)
            {
                EndTraces();
            }

            if (large is not null)
            {
                NbdRequest sent = large;
                large = null;
                release(sent);
            }
        }

        return FlushOutcome.Done;
    }

    /// <summary>Gives every queued request back; the connection has ended.</summary>
    public void Clear()
    {
        if (large is not null)
        {
            release(large);
            large = null;
        }

        while (Dequeue() is { } request)
        {
            release(request);
        }

        start = end = 0;
        traced.ForEach(static trace => trace.Drop());
        traced.Clear();
    }

    private void EndTraces()
    {
        foreach (WriteTrace trace in traced)
        {
            trace.Mark("reply written");
            trace.End();
        }

        traced.Clear();
    }

    private static FlushOutcome Send(Descriptor socket, byte[] bytes, ref int from, int to)
    {
        while (from < to)
        {
            int sent = Sockets.Send(socket, bytes.AsSpan(from, to - from));
            if (sent < 0)
            {
                return sent == -Constants.EAGAIN ? FlushOutcome.Blocked : FlushOutcome.Broken;
            }

            from += sent;
        }

        return FlushOutcome.Done;
    }

    /// <summary>
    /// Moves replies into the gather buffer up to the first that is large or has no room.
    /// </summary>
    private void Gather(bool structured)
    {
        Span<byte> room = Room();
        while (large is null && first is not null)
        {
            NbdRequest request = first;
            NbdCommand command = request.Header.Command;
            int head = Replies.HeadBytes(command, request.Error, structured);
            if (request.ReplyBytes > Limits.CopiedBytesMax)
            {
                largeSent = BufferPool.HeadRoom - head;
                largeEnd = BufferPool.HeadRoom + request.ReplyBytes;
                Replies.Write(request.Storage.AsSpan(largeSent), request.Header,
                    request.Error, structured, request.ReplyBytes);
                large = Dequeue();
                return;
            }

            if (room.Length < head + request.ReplyBytes)
            {
                return;
            }

            Replies.Write(room, request.Header, request.Error, structured, request.ReplyBytes);
            if (request.ReplyBytes > 0)
            {
                request.Data(request.ReplyBytes).Span.CopyTo(room[head..]);
            }

            if (request.Trace is { } trace)
            {
                traced.Add(trace); // Its reply is under way; its request may serve another.
                request.Trace = null;
            }

            end += head + request.ReplyBytes;
            room = room[(head + request.ReplyBytes)..];
            release(Dequeue()!);
        }
    }

    private NbdRequest? Dequeue()
    {
        NbdRequest? request = first;
        first = request?.Behind;
        last = first is null ? null : last;
        return request;
    }
}
