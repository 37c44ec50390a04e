using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace Sample.ObjectGateway;

// Objects that come and go.
internal sealed partial class Requests
{
    private async Task PutAsync(HttpContext context, Mounted mount, string key)
    {
        if (ConditionOf(context.Request) is not { } condition)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, "tags are in quotes, or *");
            return;
        }

        if (context.Request.ContentLength is > Entry.BytesMax)
        {
            await TooLargeAsync(context);
            return;
        }

        // What cannot be kept is said before it is sent.
        (Upload? upload, Refusal? full, Outcome outcome) = await AskAsync(
            mount,
            store => condition.Allows(store.Index.Find(key))
                ? store.Begin(key, context.Request.ContentLength, out Upload begun) is { } no
                    ? (null, no, Outcome.Full)
                    : (begun, null, Outcome.Done)
                : (null, null, Outcome.Unmet),
            ((Upload?)null, (Refusal?)null, Outcome.Dropped));
        bool finished = false;
        try
        {
            if (upload is not null)
            {
                using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                (bool whole, full, outcome) = await ReceiveAsync(context, mount, upload, hash);
                if (whole)
                {
                    finished = true;
                    byte[] digest = hash.GetHashAndReset();
                    long now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
                    outcome = await mount.ChangeAsync((store, answer) =>
                        store.Finish(upload, digest, now, condition, answer))
                        .WaitAsync(ending.Token);
                    if (outcome is Outcome.Created or Outcome.Done)
                    {
                        context.Response.Headers.ETag =
                            $"\"{Convert.ToHexStringLower(digest)}\"";
                    }
                }
            }
        }
        finally
        {
            if (upload is not null && !finished)
            {
                mount.Tell(store => store.Abandon(upload));
            }
        }

        await SayAsync(context, key, outcome, full);
    }

    /// <summary>Writes the body as it comes, a chunk at a time.</summary>
    private async Task<(bool Whole, Refusal? Full, Outcome Outcome)> ReceiveAsync(
        HttpContext context, Mounted mount, Upload upload, IncrementalHash hash)
    {
        byte[] buffer = await buffers.RentAsync(context.RequestAborted);
        for (int filled = buffer.Length; filled == buffer.Length;)
        {
            try
            {
                filled = await context.Request.Body.ReadAtLeastAsync(
                    buffer, buffer.Length, throwOnEndOfStream: false, context.RequestAborted);
            }
            catch
            {
                buffers.Return(buffer);
                throw; // The rest does not come: nothing is kept.
            }

            if (filled == 0)
            {
                break;
            }

            hash.AppendData(buffer, 0, filled);
            uint sum = Crc32C.Of(buffer.AsSpan(0, filled));
            (Refusal? full, VolumeStatus status) = await mount.WriteAsync(
                upload, buffer, filled, sum).WaitAsync(ending.Token);
            if (full is not null || status != VolumeStatus.Ok)
            {
                buffers.Return(buffer);
                return (false, full, full is null ? Outcome.Dropped : Outcome.Full);
            }
        }

        buffers.Return(buffer);
        return (true, null, Outcome.Done);
    }

    private async Task DeleteAsync(HttpContext context, Mounted mount, string key)
    {
        if (ConditionOf(context.Request) is not { } condition)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, "tags are in quotes, or *");
            return;
        }

        Outcome outcome = await mount.ChangeAsync(
            (store, answer) => store.Delete(key, condition, answer)).WaitAsync(ending.Token);
        await SayAsync(context, key, outcome, null);
    }

    private Task SayAsync(HttpContext context, string key, Outcome outcome, Refusal? full)
    {
        switch (outcome)
        {
            case Outcome.Created:
                context.Response.StatusCode = StatusCodes.Status201Created;
                context.Response.ContentLength = 0;
                return Task.CompletedTask;
            case Outcome.Done:
                context.Response.StatusCode = StatusCodes.Status204NoContent;
                return Task.CompletedTask;
            case Outcome.Missing:
                return RefuseAsync(context, StatusCodes.Status404NotFound, $"{key} is not there");
            case Outcome.Full:
                return RefuseAsync(
                    context, StatusCodes.Status507InsufficientStorage,
                    full?.ToString() ?? $"{key}: the index is full; delete objects");
            case Outcome.Unmet:
                return RefuseAsync(
                    context, StatusCodes.Status412PreconditionFailed,
                    $"{key} is not as the request wants it");
            case Outcome.Dropped:
                return AwayAsync(context, standing().Why);
            default:
                context.Abort(); // It may be kept or not, so neither is said.
                return Task.CompletedTask;
        }
    }

    private Task TooLargeAsync(HttpContext context) => RefuseAsync(
        context, StatusCodes.Status413PayloadTooLarge,
        $"an object has at most {Entry.BytesMax} bytes");

    private static Condition? ConditionOf(HttpRequest request) =>
        TryTags(request.Headers.IfMatch, out IReadOnlyCollection<string>? match)
        && TryTags(request.Headers.IfNoneMatch, out IReadOnlyCollection<string>? none)
            ? new(match, none)
            : null;

    private static bool TryTags(
        Microsoft.Extensions.Primitives.StringValues header, out IReadOnlyCollection<string>? tags)
    {
        tags = null;
        if (header.Count == 0)
        {
            return true;
        }

        bool good = EntityTagHeaderValue.TryParseStrictList(header, out var list);
        tags = good ? [.. list!.Select(static tag => tag.Tag.ToString())] : null;
        return good;
    }
}
