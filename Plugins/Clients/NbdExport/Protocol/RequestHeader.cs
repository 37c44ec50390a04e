using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace StorageOs.NbdExport.Protocol;

/// <summary>A request of the transmission phase, as the client sent it.</summary>
internal readonly record struct RequestHeader(
    NbdCommandFlags Flags, NbdCommand Command, ulong Cookie, ulong Offset, uint Length)
{
    /// <summary>Bytes that follow the header.</summary>
    public uint PayloadBytes => Command == NbdCommand.Write ? Length : 0;

    /// <summary>
    /// Reads a header; whether its magic is right. A wrong one, and a payload above the limit,
    /// leave no way to find the next request: the connection ends.
    /// </summary>
    public static bool TryRead(
        ReadOnlySpan<byte> bytes, out RequestHeader header, out Refusal? refusal)
    {
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        header = new(
            (NbdCommandFlags)BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]),
            (NbdCommand)BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]),
            BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]),
            BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]),
            BinaryPrimitives.ReadUInt32BigEndian(bytes[24..]));
        refusal = null;
        if (magic != NbdWire.RequestMagic)
        {
            refusal = new("request magic", $"{NbdWire.RequestMagic:x8}", $"{magic:x8}");
        }
        else if (header.PayloadBytes > Limits.RequestBytesMax)
        {
            refusal = new(
                "write", $"at most {Limits.RequestBytesMax} bytes", $"{header.Length} bytes");
        }

        return refusal is null;
    }

    /// <summary>Whether a volume of that size can do it; the error to answer when not.</summary>
    public NbdError Judge(long sizeBytes, bool structured, bool allocation)
    {
        NbdCommandFlags allowed = NbdCommandFlags.ForceUnitAccess;
        switch (Command)
        {
            case NbdCommand.Flush:
                return (Flags & ~allowed) == 0 && Offset == 0 && Length == 0
                    ? NbdError.None : NbdError.Invalid;
            case NbdCommand.Read:
                allowed |= structured ? NbdCommandFlags.DontFragment : 0;
                break;
            case NbdCommand.WriteZeroes:
                allowed |= NbdCommandFlags.NoHole;
                break;
            case NbdCommand.BlockStatus when !allocation:
                return NbdError.Invalid;
            case NbdCommand.BlockStatus:
                allowed |= NbdCommandFlags.RequestOne;
                break;
            case NbdCommand.Write or NbdCommand.Trim:
                break;
            default:
                return NbdError.Invalid;
        }

        if ((Flags & ~allowed) != 0 || Length == 0)
        {
            return NbdError.Invalid;
        }

        if (Offset > (ulong)sizeBytes || Length > (ulong)sizeBytes - Offset)
        {
            return Command is NbdCommand.Write or NbdCommand.WriteZeroes
                ? NbdError.NoSpace : NbdError.Invalid;
        }

        return Command == NbdCommand.Read && Length > Limits.RequestBytesMax
            ? NbdError.Overflow : NbdError.None;
    }
}
