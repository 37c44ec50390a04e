using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Headers;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Services;

namespace Sample.ObjectGateway;

// Objects that are read: no byte leaves before its chunk was held against its checksum.
internal sealed partial class Requests
{
    private async Task GetAsync(HttpContext context, Mounted mount, string key)
    {
        if (ConditionOf(context.Request) is not { } condition)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, "tags are in quotes, or *");
            return;
        }

        (bool lost, Entry? entry) = await AskAsync(
            mount, store => (false, store.Index.Pin(key)), (true, null));
        if (entry is null)
        {
            await (lost ? AwayAsync(context, standing().Why)
                : RefuseAsync(context, StatusCodes.Status404NotFound, $"{key} is not there"));
            return;
        }

        try
        {
            await GetAsync(context, mount, entry, condition);
        }
        finally
        {
            mount.Tell(store => store.Index.Unpin(entry));
        }
    }

    private async Task GetAsync(
        HttpContext context, Mounted mount, Entry entry, Condition condition)
    {
        HttpResponse response = context.Response;
        response.Headers.ETag = entry.ETag;
        response.Headers.LastModified = HeaderUtilities.FormatDate(ModifiedOf(entry));
        if (condition.Match is { } match && !Condition.Names(match, entry))
        {
            await RefuseAsync(
                context, StatusCodes.Status412PreconditionFailed,
                $"{entry.Key} is not as the request wants it");
            return;
        }

        if (condition.NoneMatch is { } none && Condition.Names(none, entry))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        response.Headers.AcceptRanges = "bytes";
        (long from, long to) = (0, entry.Size);
        if (RangeOf(context.Request, entry) is { } range)
        {
            (from, to) = range;
            response.Headers.ContentRange =
                from < to ? $"bytes {from}-{to - 1}/{entry.Size}" : $"bytes */{entry.Size}";
            if (from >= to)
            {
                await RefuseAsync(
                    context, StatusCodes.Status416RangeNotSatisfiable,
                    $"{entry.Key} has {entry.Size} bytes");
                return;
            }

            response.StatusCode = StatusCodes.Status206PartialContent;
        }

        response.ContentType = "application/octet-stream";
        response.ContentLength = to - from;
        if (context.Request.Method != "HEAD" && from < to)
        {
            await SendAsync(context, mount, entry, from, to);
        }
    }

    /// <summary>
    /// Sends bytes of an object, a chunk at a time, each when the client has taken what was before
    /// it.
    /// </summary>
    private async Task SendAsync(
        HttpContext context, Mounted mount, Entry entry, long from, long to)
    {
        byte[] buffer = await buffers.RentAsync(context.RequestAborted);
        while (from < to)
        {
            int chunk = (int)(from / Layout.ChunkBytes);
            VolumeStatus status = await mount.ReadAsync(entry, chunk, buffer)
                .WaitAsync(ending.Token);
            bool isWhole = status == VolumeStatus.Ok
                && entry.IsWhole(chunk, buffer.AsSpan(0, entry.ChunkBytes(chunk)));
            if (!isWhole)
            {
                buffers.Return(buffer);
                await FailAsync(context, entry, chunk, status);
                return;
            }

            int at = (int)(from % Layout.ChunkBytes);
            int count = (int)Math.Min(entry.ChunkBytes(chunk) - at, to - from);
            try
            {
                await context.Response.Body.WriteAsync(
                    buffer.AsMemory(at, count), context.RequestAborted);
            }
            catch
            {
                buffers.Return(buffer);
                throw;
            }

            from += count;
        }

        buffers.Return(buffer);
    }

    private async Task FailAsync(HttpContext context, Entry entry, int chunk, VolumeStatus status)
    {
        string why = status switch
        {
            VolumeStatus.Ok => "its bytes are not those that were put",
            VolumeStatus.NotOwner => standing().Why,
            _ => $"a read ended as {status}",
        };
        if (status != VolumeStatus.NotOwner)
        {
            _ = Interlocked.Increment(ref damaged);
            logger.LogError("object {Key}, chunk {Chunk}: {Why}", entry.Key, chunk, why);
        }

        if (context.Response.HasStarted)
        {
            context.Abort(); // Its length was promised: the client sees that this is not all.
            return;
        }

        context.Response.Headers.Clear();
        await (status == VolumeStatus.NotOwner ? AwayAsync(context, why) : RefuseAsync(
            context, StatusCodes.Status500InternalServerError, $"{entry.Key}: {why}"));
    }

    /// <summary>The one range that is asked for; null when the whole object is.</summary>
    private static (long From, long To)? RangeOf(HttpRequest request, Entry entry)
    {
        RequestHeaders headers = request.GetTypedHeaders();
        if (headers.Range is not { Ranges.Count: 1 } asked || asked.Unit != "bytes"
            || (request.Headers.IfRange.Count > 0
                && headers.IfRange?.EntityTag?.Tag != entry.ETag))
        {
            return null;
        }

        RangeItemHeaderValue range = asked.Ranges.Single();
        return range.From is { } from
            ? (from, Math.Min(entry.Size, range.To is { } last and < long.MaxValue
                ? last + 1 : entry.Size))
            : (Math.Max(0, entry.Size - (range.To ?? 0)), entry.Size);
    }
}
