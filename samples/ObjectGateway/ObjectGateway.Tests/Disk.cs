using Sample.ObjectGateway.Core;

namespace Sample.ObjectGateway.Tests;

/// <summary>
/// A volume that keeps only what it was made to: of all else a crash leaves any part, by sectors,
/// and a sector or two that hold neither what they did nor what they should.
/// </summary>
internal sealed class Disk(long bytes, Random chance)
{
    private readonly List<(long Offset, byte[] Bytes)> loose = [];
    private byte[] durable = new byte[bytes];

    /// <summary>What reads see.</summary>
    public byte[] Bytes { get; private set; } = new byte[bytes];

    /// <summary>Does what is asked, as far as it is ever done before a crash.</summary>
    public void Do(Io io)
    {
        switch (io.Kind)
        {
            case IoKind.Read:
                Bytes.AsSpan((int)io.Offset, io.Buffer.Length).CopyTo(io.Buffer.Span);
                break;
            case IoKind.Write:
                io.Buffer.Span.CopyTo(Bytes.AsSpan((int)io.Offset));
                if (io.Durable)
                {
                    io.Buffer.Span.CopyTo(durable.AsSpan((int)io.Offset));
                }
                else
                {
                    loose.Add((io.Offset, io.Buffer.ToArray()));
                }

                break;
            default:
                loose.ForEach(write => write.Bytes.CopyTo(durable, write.Offset));
                loose.Clear();
                break;
        }
    }

    /// <summary>Carries out a whole sequence.</summary>
    public void Do(IEnumerable<Io> steps)
    {
        foreach (Io io in steps)
        {
            Do(io);
        }
    }

    /// <summary>The power goes, with these under way.</summary>
    public void Crash(IEnumerable<Io> underWay)
    {
        int sector = chance.Next(2) == 0 ? 512 : 4096;
        int lands = chance.Next(5) * 25; // Nothing, all, or something between.
        foreach ((long offset, byte[] its) in loose.Concat(underWay
            .Where(static io => io.Kind == IoKind.Write)
            .Select(static io => (io.Offset, io.Buffer.ToArray()))))
        {
            int spoilt = chance.Next(4) == 0 ? chance.Next(its.Length / sector) : -1;
            for (int at = 0; at < its.Length; at += sector)
            {
                Span<byte> there = durable.AsSpan((int)offset + at, sector);
                if (at / sector == spoilt)
                {
                    chance.NextBytes(there);
                }
                else if (chance.Next(100) < lands)
                {
                    its.AsSpan(at, sector).CopyTo(there);
                }
            }
        }

        loose.Clear();
        Bytes = [.. durable];
    }

    /// <summary>Where there may be other than zeros, from an offset on.</summary>
    public long NextData(long from)
    {
        int other = Bytes.AsSpan((int)from).IndexOfAnyExcept((byte)0);
        return other < 0 ? Bytes.Length
            : (from + other) / Layout.BlockBytes * Layout.BlockBytes;
    }

    /// <summary>Mounts it.</summary>
    public Mounting Mount(bool format = false)
    {
        Mounting mounting = NewMounting(format);
        Do(mounting.Steps());
        return mounting;
    }

    /// <summary>What mounts it, not begun.</summary>
    public Mounting NewMounting(bool format = false) => new(
        "vol0", new(Bytes.Length), format, () => (ulong)chance.NextInt64(), NextData);
}
