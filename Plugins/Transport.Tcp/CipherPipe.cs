using System.Threading.Tasks.Sources;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Tcp.Interop;

namespace StorageOs.Transport.Tcp;

/// <summary>
/// What TLS takes for its connection: a stream over a socket that never waits. A read that finds
/// nothing stands until <see cref="Feed"/> brings something, and goes on right there, on the thread
/// that feeds; what is written stays until <see cref="Drain"/> gets rid of it.
/// </summary>
internal sealed class CipherPipe(SafeFileHandle socket) : Stream, IValueTaskSource<int>
{
    private const int Flags = Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL;
    private readonly byte[] input = new byte[Limits.BufferBytes];
    private byte[] output = new byte[Limits.BufferBytes];
    private ManualResetValueTaskSourceCore<int> source;
    private Memory<byte> waiting;
    private bool isWaiting;
    private bool ended;
    private int inputStart;
    private int inputEnd;
    private int outputStart;
    private int outputEnd;

    /// <summary>Bytes that the socket has not taken yet.</summary>
    public int Unsent => outputEnd - outputStart;

    /// <summary>The thread that drives it now; whatever runs on another is a mistake.</summary>
    public int Thread { get; set; }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Takes in what has come and lets a standing read go on; whether it did.</summary>
    public bool Feed()
    {
        if (inputStart == inputEnd && !ended)
        {
            nint count = Libc.recv(socket, input, input.Length, Libc.MSG_DONTWAIT);
            ended = count == 0 || (count < 0 && Sockets.NoneOrEnded() == Wire.Ended);
            (inputStart, inputEnd) = (0, (int)Math.Max(0, count));
        }

        if (!isWaiting || (inputStart == inputEnd && !ended))
        {
            return false;
        }

        isWaiting = false;
        source.SetResult(Take(waiting.Span));
        return true;
    }

    /// <summary>Sends what was written; false when the connection has ended.</summary>
    public bool Drain()
    {
        while (outputStart != outputEnd)
        {
            nint count = Libc.send(
                socket, output.AsSpan(outputStart, Unsent), Unsent, Flags);
            if (count < 0)
            {
                return Sockets.NoneOrEnded() == 0;
            }

            outputStart += (int)count;
        }

        outputStart = outputEnd = 0;
        return true;
    }

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(
        Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Invariant.Require(!isWaiting && Thread == Environment.CurrentManagedThreadId);
        if (inputStart != inputEnd || ended || buffer.IsEmpty)
        {
            return new ValueTask<int>(Take(buffer.Span));
        }

        source.Reset();
        (waiting, isWaiting) = (buffer, true);
        return new ValueTask<int>(this, source.Version);
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(
        ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Invariant.Require(Thread == Environment.CurrentManagedThreadId);
        if (output.Length - outputEnd < buffer.Length)
        {
            // Who writes looks at Unsent first, so it grows to little more than that limit.
            byte[] larger = new byte[Math.Max(output.Length, 2 * (Unsent + buffer.Length))];
            output.AsSpan(outputStart, Unsent).CopyTo(larger);
            (output, outputStart, outputEnd) = (larger, 0, Unsent);
        }

        buffer.CopyTo(output.AsSpan(outputEnd));
        outputEnd += buffer.Length;
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) =>
        Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Flush()
    {
        // Its owner drains it.
    }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public int GetResult(short token) => source.GetResult(token);

    /// <inheritdoc/>
    public ValueTaskSourceStatus GetStatus(short token) => source.GetStatus(token);

    /// <inheritdoc/>
    public void OnCompleted(
        Action<object?> continuation, object? state, short token,
        ValueTaskSourceOnCompletedFlags flags) =>
        source.OnCompleted(continuation, state, token, flags);

    private int Take(Span<byte> into)
    {
        int count = Math.Min(into.Length, inputEnd - inputStart);
        input.AsSpan(inputStart, count).CopyTo(into);
        inputStart += count;
        return count;
    }
}
