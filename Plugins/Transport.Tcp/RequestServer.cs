using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tcp;

// Carries out the partner's requests of one port, in order, on a service thread. A request that
// fits the buffer is carried out when all of it is there; a longer write goes straight from the
// socket into the region. Answers gather in a buffer and go out when there is nothing more to do;
// while the partner takes none, nothing of it is read either, so it can hold up itself alone.

/// <summary>The partner's requests of one port.</summary>
internal sealed class RequestServer : Served
{
    private readonly PortEnd end;
    private readonly Wire wire;
    private readonly GrantTable grants;
    private readonly ServiceThread thread;
    private readonly byte[] input = new byte[Limits.BufferBytes];
    private readonly byte[] output = new byte[Limits.BufferBytes];
    private int inputStart;
    private int inputEnd;
    private int outputStart;
    private int outputEnd;
    private Request current; // Of a long write or a read; its rest.
    private bool writing;
    private bool reading;
    private bool refused; // One request failed: nothing after it is carried out.
    private bool drained;

    /// <summary>Serves a connection; what is to be said first on it is sent first.</summary>
    public RequestServer(
        PortEnd end, Wire wire, GrantTable grants, ServiceThread thread, ReadOnlySpan<byte> first)
    {
        this.end = end;
        this.wire = wire;
        this.grants = grants;
        this.thread = thread;
        first.CopyTo(output);
        outputEnd = first.Length;
    }

    private enum Step
    {
        More,
        Wait,
        Over,
    }

    /// <inheritdoc/>
    public override Microsoft.Win32.SafeHandles.SafeFileHandle Descriptor => wire.Socket;

    /// <inheritdoc/>
    public override bool WantsToSend =>
        wire.HasUnsent || (outputEnd != outputStart && wire.AcceptsBytes);

    /// <inheritdoc/>
    public override bool Run()
    {
        if (end.IsDisposed)
        {
            SayBye();
            return false;
        }

        drained = false;
        for (int i = 0; i < Limits.StepsPerTurnMax; i++)
        {
            switch (Next())
            {
                case Step.Wait:
                    return Flush();
                case Step.Over:
                    _ = Flush();
                    return false;
            }
        }

        thread.Post(this); // Others first; what is in the buffer already wakes nobody.
        return Flush();
    }

    /// <inheritdoc/>
    public override void End()
    {
        wire.Dispose();
        end.PartnerEnded();
    }

    private Step Next()
    {
        if (!HasRoom(Limits.ReadPartBytes + (2 * Answer.Bytes)))
        {
            return !Flush() ? Step.Over
                : HasRoom(Limits.ReadPartBytes + (2 * Answer.Bytes)) ? Step.More : Step.Wait;
        }

        if (reading)
        {
            return SendPart();
        }

        if (writing)
        {
            return ReceivePart();
        }

        if (refused)
        {
            inputStart = inputEnd = 0; // Read and forgotten, so that the answer is not lost.
            return Fill();
        }

        return TakeRequest();
    }

    private Step TakeRequest()
    {
        if (inputEnd - inputStart < Request.Bytes)
        {
            return Fill();
        }

        if (!Request.TryDecode(input.AsSpan(inputStart), out Request request))
        {
            return Step.Over;
        }

        int whole = Request.Bytes + request.Length;
        if (request.Kind == RequestKind.Write
            && whole > 0 && whole <= input.Length && inputEnd - inputStart < whole)
        {
            return Fill();
        }

        inputStart += Request.Bytes;
        switch (request.Kind)
        {
            case RequestKind.Bye:
                end.PartnerSaidBye();
                return Step.Over;
            case RequestKind.Read:
                current = request;
                reading = true;
                return Allowed(RemoteAccess.Read);
            case RequestKind.Write when request.Length > inputEnd - inputStart:
                current = request;
                writing = true;
                return Allowed(RemoteAccess.Write);
            default:
                CompletionStatus status = grants.Write(
                    thread.Usage,
                    request.Key,
                    request.Address,
                    input.AsSpan(inputStart, request.Length));
                inputStart += request.Length;
                return Finish(request.Sequence, status);
        }
    }

    /// <summary>Refuses a long request as a whole, before any part of it.</summary>
    private Step Allowed(RemoteAccess needed)
    {
        CompletionStatus status = grants.Check(
            thread.Usage, current.Key, current.Address, current.Length, needed);
        return status == CompletionStatus.Success ? Step.More : Finish(current.Sequence, status);
    }

    private Step SendPart()
    {
        if (current.Length == 0)
        {
            return Finish(current.Sequence, CompletionStatus.Success);
        }

        int length = Math.Min(current.Length, Limits.ReadPartBytes);
        CompletionStatus status = grants.Read(
            thread.Usage,
            current.Key,
            current.Address,
            output.AsSpan(outputEnd + Answer.Bytes, length));
        if (status != CompletionStatus.Success)
        {
            return Finish(current.Sequence, status);
        }

        new Answer(AnswerKind.Part, status, current.Sequence, length)
            .Encode(output.AsSpan(outputEnd));
        outputEnd += Answer.Bytes + length;
        Advance(length);
        return Step.More;
    }

    private Step ReceivePart()
    {
        int length = Math.Min(current.Length, inputEnd - inputStart);
        if (length > 0)
        {
            CompletionStatus status = grants.Write(
                thread.Usage, current.Key, current.Address, input.AsSpan(inputStart, length));
            if (status != CompletionStatus.Success)
            {
                return Finish(current.Sequence, status);
            }

            inputStart += length;
        }
        else
        {
            int asked = Math.Min(current.Length, Limits.DirectBytesMax);
            int? taken = grants.Receive(
                thread.Usage, current.Key, current.Address, asked, wire);
            if (taken is null)
            {
                return Finish(current.Sequence, CompletionStatus.RemoteAccessError);
            }

            if (taken is 0 or Wire.Ended)
            {
                return taken == 0 ? Step.Wait : Step.Over;
            }

            length = taken.Value;
        }

        Advance(length);
        return current.Length == 0
            ? Finish(current.Sequence, CompletionStatus.Success) : Step.More;
    }

    private void Advance(int length) => current = current with
    {
        Length = current.Length - length,
        Address = current.Address + (ulong)length,
    };

    private Step Finish(uint sequence, CompletionStatus status)
    {
        new Answer(AnswerKind.Done, status, sequence, 0).Encode(output.AsSpan(outputEnd));
        outputEnd += Answer.Bytes;
        (reading, writing) = (false, false);
        refused = status != CompletionStatus.Success;
        return Step.More;
    }

    /// <summary>Takes in what has come.</summary>
    private Step Fill()
    {
        if (drained)
        {
            return Step.Wait;
        }

        if (inputStart == inputEnd)
        {
            inputStart = inputEnd = 0;
        }
        else if (inputEnd > input.Length / 2)
        {
            input.AsSpan(inputStart, inputEnd - inputStart).CopyTo(input);
            (inputStart, inputEnd) = (0, inputEnd - inputStart);
        }

        Span<byte> room = input.AsSpan(inputEnd);
        int count = wire.Receive(room);
        if (count <= 0)
        {
            return count == 0 ? Step.Wait : Step.Over;
        }

        inputEnd += count;
        drained = wire.ShortMeansEmpty && count < room.Length;
        return Step.More;
    }

    private bool HasRoom(int bytes)
    {
        if (outputStart == outputEnd)
        {
            outputStart = outputEnd = 0;
        }

        return output.Length - outputEnd >= bytes;
    }

    /// <summary>Sends answers; false when the connection has ended.</summary>
    private bool Flush()
    {
        while (outputEnd != outputStart)
        {
            int sent = wire.Send(output.AsSpan(outputStart, outputEnd - outputStart), []);
            if (sent <= 0)
            {
                return sent == 0;
            }

            outputStart += sent;
        }

        outputStart = outputEnd = 0;
        return wire.Flush();
    }

    /// <summary>
    /// This end is closed: tells the partner where it can be told, between two answers.
    /// </summary>
    private void SayBye()
    {
        if (Flush() && outputEnd == 0)
        {
            new Answer(AnswerKind.Bye, CompletionStatus.Success, 0, 0).Encode(output);
            outputEnd = Answer.Bytes;
            _ = Flush();
        }
    }
}
