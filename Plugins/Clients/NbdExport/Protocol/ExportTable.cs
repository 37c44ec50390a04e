using System.Text;
using StorageOs.Contracts.Runtime;

namespace StorageOs.NbdExport.Protocol;

/// <summary>What the handshake knows of the exports of one service address.</summary>
internal sealed class ExportTable
{
    private readonly byte[][] names;
    private readonly long[] sizes;

    /// <summary>
    /// Makes the table; names must keep the limits, which the caller has checked.
    /// </summary>
    public ExportTable(IReadOnlyList<(string Name, long SizeBytes)> exports)
    {
        Invariant.Require(exports.Count <= Limits.ExportsMax);
        names = [.. exports.Select(export => Encoding.UTF8.GetBytes(export.Name))];
        sizes = [.. exports.Select(export => export.SizeBytes)];
        Invariant.Require(names.All(name => name.Length is > 0 and <= Limits.NameBytesMax));
    }

    /// <summary>How many there are.</summary>
    public int Count => names.Length;

    /// <summary>Name of an export in UTF-8.</summary>
    public ReadOnlySpan<byte> Name(int export) => names[export];

    /// <summary>Size of an export in bytes.</summary>
    public long SizeBytes(int export) => sizes[export];

    /// <summary>
    /// The export of that name; the empty name is the only one there is. -1 when none.
    /// </summary>
    public int Find(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty)
        {
            return names.Length == 1 ? 0 : -1;
        }

        for (int i = 0; i < names.Length; i++)
        {
            if (name.SequenceEqual(names[i]))
            {
                return i;
            }
        }

        return -1;
    }
}
