// One client's connection. Everything happens on the reactor, in turns: receive, take what has
// arrived (handshake messages, or requests that go to the volume), commit the batch, send what has
// been answered. At depth 1 that is one receive and one send. Requests complete within the turn or
// later; then the owner gives the connection a turn of its own at the end of the reactor's.
//
// Bounds: at most RequestsInFlightMax requests and InFlightBytesMax bytes of their buffers, counted
// until their replies are sent. A client that reaches them, by not reading its replies or because
// the volume waits, is not received from. Rule S8: requests belong to the connection; when either
// their ownership or it ends, nothing of them is answered and their buffers come home.

using System.Diagnostics;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NbdExport.Interop;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.NbdExport.Connections;

/// <summary>One client's connection.</summary>
internal sealed class NbdConnection
{
    private readonly IConnectionOwner owner;
    private readonly Descriptor socket;
    private readonly ReceiveBuffer received = new();
    private readonly Outbound outbound;
    private readonly ExtentGatherer extents = new();
    private readonly Handshake handshake;
    private IDescriptorWatch? watch;
    private IDisposable? handshakeTimer;
    private IVolume? volume;
    private ExportMetrics? metrics;
    private NbdRequest? free;
    private NbdRequest? filling;
    private uint discardBytes;
    private long receivedAt; // When it was last received from; 0 while nobody traces writes.
    private long beganAt; // When the first byte came of what is to be taken next.
    private int inFlight;
    private long inFlightBytes;
    private bool inTurn;
    private bool stalled;
    private bool released;
    private bool uncommitted;
    private bool blocked;
    private bool finishing;

    /// <summary>Takes over an accepted, non-blocking socket.</summary>
    public NbdConnection(IConnectionOwner owner, Descriptor socket, ulong id)
    {
        this.owner = owner;
        this.socket = socket;
        Id = id;
        handshake = new(owner.Exports);
        outbound = new(Release);
    }

    /// <summary>Number of the connection within this boot.</summary>
    public ulong Id { get; }

    /// <summary>The socket, to be handed to the partner.</summary>
    public Descriptor Socket => socket;

    /// <summary>The volume chosen; null during the handshake.</summary>
    public IVolume? Volume => volume;

    /// <summary>Whether it has ended.</summary>
    public bool Closed { get; private set; }

    /// <summary>Whether the owner's list has it; the owner's to use.</summary>
    public bool TurnPending { get; set; }

    /// <summary>Greets the client and begins to listen to it.</summary>
    public void Start()
    {
        Sockets.Tune(socket);
        var output = new SpanWriter(outbound.Room());
        Handshake.Greet(ref output);
        outbound.Add(output.Written);
        handshakeTimer = owner.Reactor.After(Limits.HandshakeTime, () => Drop(new(
            "handshake", $"an export chosen within {Limits.HandshakeTime}", "no choice")));
        watch = owner.Reactor.Watch(socket, DescriptorInterest.Readable, OnReady);
        Turn(readable: false);
    }

    /// <summary>Ends the connection at once; nothing more is answered.</summary>
    public void Drop(Refusal? refusal = null)
    {
        if (Closed)
        {
            return;
        }

        Closed = true;
        handshakeTimer?.Dispose();
        watch?.Dispose();
        outbound.Clear();
        if (filling is not null)
        {
            Release(filling);
            filling = null;
        }

        Sockets.Shutdown(socket);
        owner.Ended(this, refusal);
        socket.Dispose();
    }

    /// <summary>Sends what was answered meanwhile and goes on with what waits.</summary>
    public void Turn() => Turn(readable: false);

    /// <summary>The volume is done with a request, or with a part of it.</summary>
    public void Completed(NbdRequest request, VolumeStatus status)
    {
        request.Submitted = false;
        if (Closed || status == VolumeStatus.NotOwner)
        {
            Release(request);
            Drop();
            return;
        }

        request.Error = status switch
        {
            VolumeStatus.Ok => NbdError.None,
            VolumeStatus.IoError => NbdError.Io,
            _ => NbdError.Invalid,
        };
        if (status == VolumeStatus.Ok && request.RemainingBytes > 0)
        {
            request.Offset += request.Length;
            SubmitPart(request);
        }
        else
        {
            Answer(request);
        }

        if (!inTurn && !Closed)
        {
            owner.NeedsTurn(this);
        }
    }

    private void OnReady(DescriptorInterest ready)
    {
        bool readable = !Closed && (ready & DescriptorInterest.Readable) != 0;
        if (readable && (stalled || finishing))
        {
            if (Sockets.HasEnded(socket))
            {
                Drop();
                return;
            }

            readable = false;
        }

        Turn(readable);
    }

    private void Turn(bool readable)
    {
        inTurn = true;
        for (int round = 1; !Closed; round++)
        {
            bool more = readable && Receive();
            released = false;
            Take();
            Commit();
            Flush();
            bool unstalled = stalled && (released || (volume is null && outbound.Empty));
            readable = more && !stalled && round < Limits.ReceivesPerTurnMax;
            if (!readable && !unstalled)
            {
                break;
            }
        }

        inTurn = false;
        if (!Closed)
        {
            UpdateInterest();
        }
    }

    /// <summary>Receives once; whether there may be more.</summary>
    private bool Receive()
    {
        Span<byte> room = filling is { } request
            ? request.Data((int)request.Header.Length).Span[request.ReceivedBytes..]
            : received.Room();
        NoteReceive();
        int count = Sockets.Receive(socket, room);
        if (count <= 0)
        {
            if (count != -Constants.EAGAIN)
            {
                Drop();
            }

            return false;
        }

        if (filling is null)
        {
            received.Received(count);
        }
        else
        {
            filling.ReceivedBytes += count;
        }

        return count == room.Length;
    }

    /// <summary>
    /// A traced write begins before the receive that brings its first byte, with all others that
    /// came by it.
    /// </summary>
    private void NoteReceive()
    {
        receivedAt = volume is { Tracing: true } ? Stopwatch.GetTimestamp() : 0;
        if (received.Data.IsEmpty)
        {
            beganAt = receivedAt;
        }
    }

    private void Take()
    {
        stalled = false;
        if (filling is not null && filling.ReceivedBytes == filling.Header.Length)
        {
            NbdRequest full = filling;
            filling = null;
            Submit(full);
        }

        while (!Closed && filling is null && !finishing)
        {
            Discard();
            if (!(volume is null ? TakeOption() : TakeRequest()))
            {
                return;
            }
        }
    }

    private void Discard()
    {
        int count = (int)Math.Min(discardBytes, (uint)received.Data.Length);
        received.Take(count);
        discardBytes -= (uint)count;
    }

    /// <summary>Takes one message of the handshake; whether to go on.</summary>
    private bool TakeOption()
    {
        Span<byte> room = outbound.Room();
        if (room.Length < Limits.OptionReplyBytesMax)
        {
            stalled = true;
            return false;
        }

        var output = new SpanWriter(room);
        HandshakeStep step = handshake.Step(received.Data, ref output, out int consumed);
        received.Take(consumed);
        outbound.Add(output.Written);
        switch (step)
        {
            case HandshakeStep.Continue:
                return true;
            case HandshakeStep.Transmit:
                return BeginTransmission();
            case HandshakeStep.Close:
                finishing = true;
                return false;
            case HandshakeStep.Refused:
                Drop(handshake.Refusal);
                return false;
            default:
                return false;
        }
    }

    private bool BeginTransmission()
    {
        handshakeTimer?.Dispose();
        volume = owner.Volume(handshake.Export);
        metrics = new ExportMetrics(volume.Name);
        if (!volume.Served)
        {
            Drop();
        }

        return !Closed;
    }

    /// <summary>Takes one request; whether to go on.</summary>
    private bool TakeRequest()
    {
        ReadOnlySpan<byte> data = received.Data;
        if (discardBytes > 0 || data.Length < NbdWire.RequestBytes)
        {
            return false;
        }

        if (!RequestHeader.TryRead(data, out RequestHeader header, out Refusal? refusal))
        {
            Drop(refusal);
            return false;
        }

        if (header.Command == NbdCommand.Disconnect)
        {
            finishing = true;
            return false;
        }

        uint payload = header.PayloadBytes;
        int arrived = data.Length - NbdWire.RequestBytes;
        if (payload <= Limits.CopiedBytesMax && arrived < payload)
        {
            return false;
        }

        NbdError error = header.Judge(
            volume!.SizeBytes, handshake.StructuredReplies, handshake.Allocation);
        int dataBytes = error == NbdError.None ? DataBytes(header) : 0;
        if (!HasRoomFor(dataBytes))
        {
            stalled = true;
            return false;
        }

        received.Take(NbdWire.RequestBytes);
        Begin(header, error, dataBytes);
        beganAt = receivedAt; // What is behind it came with the last receive, or comes yet.
        return true;
    }

    /// <summary>Bytes of buffer that a request needs.</summary>
    private static int DataBytes(in RequestHeader header) => header.Command switch
    {
        NbdCommand.Read or NbdCommand.Write => (int)header.Length,
        NbdCommand.BlockStatus => ExtentGatherer.BytesMax,
        _ => 0,
    };

    private bool HasRoomFor(int dataBytes)
    {
        if (inFlight == Limits.RequestsInFlightMax)
        {
            return false;
        }

        return dataBytes == 0 || inFlightBytes == 0
            || inFlightBytes + BufferPool.Counted(dataBytes) <= Limits.InFlightBytesMax;
    }

    private void Begin(in RequestHeader header, NbdError error, int dataBytes)
    {
        NbdRequest request = Acquire(header, dataBytes);
        if (error != NbdError.None)
        {
            discardBytes = header.PayloadBytes;
            request.Error = error;
            Answer(request);
            return;
        }

        if (header.Command == NbdCommand.Write)
        {
            if (volume!.Tracing)
            {
                request.Trace = volume.BeginTrace(beganAt);
                request.Trace?.Mark("request read");
            }

            int count = Math.Min(dataBytes, received.Data.Length);
            received.Data[..count].CopyTo(request.Data(dataBytes).Span);
            received.Take(count);
            request.ReceivedBytes = count;
            if (count < dataBytes)
            {
                filling = request;
                return;
            }
        }

        Submit(request);
    }

    private void Submit(NbdRequest request)
    {
        RequestHeader header = request.Header;
        request.Began = ExportMetrics.Begin();
        request.Offset = (long)header.Offset;
        request.ForceUnitAccess = (header.Flags & NbdCommandFlags.ForceUnitAccess) != 0;
        request.Operation = header.Command switch
        {
            NbdCommand.Write => VolumeOperation.Write,
            NbdCommand.Flush => VolumeOperation.Flush,
            NbdCommand.Trim => VolumeOperation.Trim,
            NbdCommand.WriteZeroes => (header.Flags & NbdCommandFlags.NoHole) != 0
                ? VolumeOperation.WriteZeroes : VolumeOperation.Trim,
            _ => VolumeOperation.Read,
        };
        request.RemainingBytes = header.Command switch
        {
            // A status says something of the volume, so it is proven like a read (rule S5): by one.
            NbdCommand.BlockStatus => 1,
            _ => header.Length,
        };
        SubmitPart(request);
    }

    private void SubmitPart(NbdRequest request)
    {
        int length = (int)Math.Min(request.RemainingBytes, Limits.TrimBytesMax);
        request.Length = length;
        request.RemainingBytes -= length;
        request.Buffer = request.Operation is VolumeOperation.Read or VolumeOperation.Write
            ? request.Data(length) : default;
        request.Progress = 0;
        request.Trace?.Mark("payload received");
        request.Submitted = true;
        uncommitted = true;
        volume!.Submit(request);
    }

    private void Answer(NbdRequest request)
    {
        if (request.Error == NbdError.None)
        {
            request.ReplyBytes = request.Header.Command switch
            {
                NbdCommand.Read => request.Length,
                NbdCommand.BlockStatus => extents.Gather(volume!, request),
                _ => 0,
            };
            if (request.Began != 0 && request.Header.Command != NbdCommand.BlockStatus)
            {
                metrics!.Answered(request.Operation, request.Began, request.Header.Length);
            }
        }

        outbound.Enqueue(request);
    }

    private void Commit()
    {
        // A part that is answered within the commit has the next part of its request submitted.
        while (uncommitted && !Closed)
        {
            uncommitted = false;
            volume!.Commit();
        }
    }

    private void Flush()
    {
        if (Closed)
        {
            return;
        }

        FlushOutcome outcome = outbound.Flush(socket, handshake.StructuredReplies);
        blocked = outcome == FlushOutcome.Blocked;
        if (outcome == FlushOutcome.Broken || (finishing && inFlight == 0 && outbound.Empty))
        {
            Drop();
        }
    }

    private void UpdateInterest()
    {
        DescriptorInterest interest =
            (stalled || finishing ? DescriptorInterest.None : DescriptorInterest.Readable)
            | (blocked ? DescriptorInterest.Writable : DescriptorInterest.None);
        if (watch is not null && watch.Interest != interest)
        {
            watch.Interest = interest;
        }
    }

    private NbdRequest Acquire(in RequestHeader header, int dataBytes)
    {
        NbdRequest request = free ?? new NbdRequest(this);
        free = request.Behind;
        request.Behind = null;
        request.Header = header;
        request.Error = NbdError.None;
        request.ReplyBytes = 0;
        request.ReceivedBytes = 0;
        request.Began = 0;
        inFlight++;
        if (dataBytes > 0)
        {
            request.Storage = owner.Buffers.Rent(dataBytes);
            inFlightBytes += request.Storage.Length - BufferPool.HeadRoom;
        }

        return request;
    }

    private void Release(NbdRequest request)
    {
        Invariant.Require(!request.Submitted);
        if (request.Storage is { } storage)
        {
            inFlightBytes -= storage.Length - BufferPool.HeadRoom;
            request.Storage = null;
            request.Buffer = default;
            owner.Buffers.Return(storage);
        }

        if (request.Trace is { } unanswered)
        {
            unanswered.Drop();
            request.Trace = null;
        }

        inFlight--;
        released = true;
        request.Behind = free;
        free = request;
    }
}
