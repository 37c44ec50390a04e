using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Management;

/// <summary>Reads lines off a stream; a line over the limit is refused before it is kept.</summary>
internal sealed class LineReader(Stream stream, int bytesMax)
{
    private byte[] buffer = new byte[Math.Min(bytesMax, 4 * Size.KiB)];
    private int filled;
    private int taken;

    /// <summary>The next line without its end; null at the end of the stream.</summary>
    /// <exception cref="RefusedException">The line is over the limit.</exception>
    internal async Task<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellation)
    {
        buffer.AsSpan(taken, filled - taken).CopyTo(buffer);
        filled -= taken;
        taken = 0;
        int searched = 0;
        while (true)
        {
            int end = buffer.AsSpan(searched, filled - searched).IndexOf((byte)'\n');
            if (end >= 0)
            {
                taken = searched + end + 1;
                return buffer.AsMemory(0, searched + end);
            }

            searched = filled;
            if (filled == bytesMax)
            {
                throw new RefusedException(
                    new Refusal("line", $"at most {bytesMax} bytes", "more"));
            }

            if (filled == buffer.Length)
            {
                Array.Resize(ref buffer, Math.Min(bytesMax, buffer.Length * 2));
            }

            int read = await stream.ReadAsync(buffer.AsMemory(filled), cancellation);
            if (read == 0)
            {
                return null;
            }

            filled += read;
        }
    }
}
