using StorageOs.Contracts.Runtime;

namespace ApplicationServer.Shared;

/// <summary>
/// Records one after the other in a file. What was torn by a crash ends the log: the next record
/// is written over it, and whatever stands behind has another past by its chain. Any thread.
/// </summary>
internal sealed class RecordLog : IDisposable
{
    private readonly Lock gate = new();
    private readonly Lock flushing = new();
    private readonly IStableFile file;
    private readonly List<long> ends = [0];
    private readonly List<uint> chains = [Frame.ChainStart];
    private readonly byte[] buffer = new byte[Frame.BytesMax];
    private ulong flushed;
    private volatile string? failure;

    private RecordLog(IStableFile file) => this.file = file;

    /// <summary>How many records there are; the last one's number.</summary>
    public ulong Count
    {
        get
        {
            lock (gate)
            {
                return (ulong)ends.Count - 1;
            }
        }
    }

    /// <summary>Records up to this one are known to survive a loss of power.</summary>
    public ulong Flushed => Volatile.Read(ref flushed);

    /// <summary>
    /// Why nothing of this file may be acknowledged any more; null when it may. A flush that failed
    /// is not made good by one that succeeds: what the first was to write may be gone by then.
    /// </summary>
    public string? Failure => failure;

    /// <summary>Opens the log, or makes it.</summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public static RecordLog Open(string path) => Open(StableFile.Open(path));

    /// <summary>The same in a file that is open, and is closed with the log.</summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public static RecordLog Open(IStableFile file)
    {
        RecordLog log = new(file);
        while (log.file.Read(log.buffer, log.ends[^1]) is var bytes && bytes > 0
            && Frame.TryRead(log.buffer.AsSpan(0, bytes), out Frame frame)
            && log.Follows(frame))
        {
            log.ends.Add(log.ends[^1] + frame.Bytes);
            log.chains.Add(frame.Chain);
        }

        return log;
    }

    /// <summary>The chain up to a record.</summary>
    public uint ChainAt(ulong sequence)
    {
        lock (gate)
        {
            return chains[checked((int)sequence)];
        }
    }

    /// <summary>Whether a frame is the record that comes next.</summary>
    public bool Follows(in Frame frame)
    {
        lock (gate)
        {
            ulong next = (ulong)ends.Count;
            return frame.Kind == FrameKind.Record && frame.Sequence == next
                && frame.Chain == Frame.NextChain(chains[^1], next, frame.Payload);
        }
    }

    /// <summary>Appends a record; it is not flushed yet.</summary>
    /// <returns>Its number.</returns>
    /// <exception cref="IOException">The disk failed or is full: nothing was appended.</exception>
    public ulong Append(ReadOnlySpan<byte> payload)
    {
        lock (gate)
        {
            RequireGood();
            ulong sequence = (ulong)ends.Count;
            uint chain = Frame.NextChain(chains[^1], sequence, payload);
            Frame frame = new(FrameKind.Record, sequence, chain, payload);
            frame.Write(buffer);
            file.Write(buffer.AsSpan(0, frame.Bytes), ends[^1]);
            ends.Add(ends[^1] + frame.Bytes);
            chains.Add(chain);
            return sequence;
        }
    }

    /// <summary>
    /// Makes every record up to one survive a loss of power. Who comes while another flushes is
    /// served by the next flush together with all that wait for it.
    /// </summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public void Flush(ulong sequence)
    {
        lock (flushing)
        {
            RequireGood();
            if (flushed < sequence)
            {
                ulong until = Count;
                try
                {
                    file.Flush();
                }
                catch (IOException failed)
                {
                    failure = failed.Message;
                    throw;
                }

                Volatile.Write(ref flushed, until);
            }
        }
    }

    /// <summary>A record's payload.</summary>
    public byte[] Read(ulong sequence)
    {
        (long from, long to) = Place(sequence);
        byte[] frame = new byte[to - from];
        int bytes = file.Read(frame, from);
        return Frame.TryRead(frame.AsSpan(0, bytes), out Frame read) && read.Sequence == sequence
            ? read.Payload.ToArray()
            : throw new IOException($"record {sequence} cannot be read back");
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private void RequireGood()
    {
        if (failure is { } why)
        {
            throw new IOException($"the log has failed before: {why}");
        }
    }

    private (long From, long To) Place(ulong sequence)
    {
        lock (gate)
        {
            int at = checked((int)sequence);
            return (ends[at - 1], ends[at]);
        }
    }
}
