using StorageOs.Contracts.Runtime;
using StorageOs.Volumes.Core;

namespace StorageOs.Volumes;

/// <summary>
/// What a flush writes of the record of changes before it writes anything else: taken on the
/// reactor, carried out on a worker. Pages first, then the header that counts them.
/// </summary>
internal sealed class RecordWrite(IStableFile file, bool sync) : IDisposable
{
    private const int ErrorDiskFull = 112; // The runtime's name for ENOSPC.
    private readonly byte[] header = new byte[RecordCodec.PageBytes];
    private readonly List<int> numbers = [];
    private byte[] pages = [];
    private ulong sequence;
    private bool any;

    /// <summary>Whether anything was taken.</summary>
    public bool Any => any;

    /// <summary>Reads the record that the file holds.</summary>
    public ChangeRecord Load(
        Granules granules, string machineBootId, ulong newDiskId)
    {
        byte[] all = new byte[RecordCodec.FileBytes(granules.Count)];
        int read = file.Read(all, 0);
        return RecordCodec.Read(
            all.AsSpan(0, Math.Max(read, 0)), granules, machineBootId, sync, newDiskId,
            out sequence);
    }

    /// <summary>Takes what differs from the file; nothing when nothing must be written.</summary>
    /// <param name="record">The record.</param>
    /// <param name="evenLazy">Also what may wait.</param>
    public void Take(ChangeRecord record, bool evenLazy)
    {
        numbers.Clear();
        any = record.NeedsWrite || (evenLazy && record.PagesToWrite > 0);
        if (!any)
        {
            return;
        }

        int bytes = record.PagesToWrite * RecordCodec.PageBytes;
        pages = pages.Length >= bytes ? pages : new byte[bytes];
        int all = RecordCodec.PagesOf(record.Granules.Count);
        for (int page = 0; page < all && record.PagesToWrite > 0; page++)
        {
            if (record.TakePage(page))
            {
                RecordCodec.WritePage(record, page, PageAt(numbers.Count));
                numbers.Add(page);
            }
        }

        sequence++;
        RecordCodec.WriteHeader(record, sequence, header);
        record.Written();
    }

    /// <summary>Writes what was taken; on the worker. May be repeated.</summary>
    public DiskResult Write()
    {
        if (!any)
        {
            return DiskResult.Ok;
        }

        try
        {
            for (int i = 0; i < numbers.Count; i++)
            {
                file.Write(
                    PageAt(i), RecordCodec.PagesAt + ((long)numbers[i] * RecordCodec.PageBytes));
            }

            Flush(numbers.Count > 0);
            file.Write(header, (long)(sequence & 1) * RecordCodec.PageBytes);
            Flush(true);
            return DiskResult.Ok;
        }
        catch (IOException failure)
        {
            int code = failure.HResult & 0xFFFF;
            return code is Interop.Libc.ENOSPC or Interop.Libc.EDQUOT or ErrorDiskFull
                ? DiskResult.NoSpace
                : DiskResult.Failed;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private Span<byte> PageAt(int index) =>
        pages.AsSpan(index * RecordCodec.PageBytes, RecordCodec.PageBytes);

    private void Flush(bool wanted)
    {
        if (wanted && sync)
        {
            file.Flush();
        }
    }
}
