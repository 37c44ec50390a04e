using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Isolation;

/// <summary>
/// One end of the line between a node and a plugin's process: a stream of JSON documents, each
/// behind its length, that are calls or answers to them. For all that is not a post.
/// </summary>
/// <param name="socket">A connected stream; the line's from here on.</param>
/// <param name="take">
/// Given each call of the other end, on the thread that reads. Must not block.
/// </param>
internal sealed class Line(Socket socket, Action<LineCall> take) : IDisposable
{
    private const int BytesMax = 16 * Size.MiB;
    private static readonly JsonSerializerOptions Form = new() { MaxDepth = 128 };
    private readonly Lock sending = new();
    private readonly ConcurrentDictionary<long, TaskCompletionSource<JsonNode?>> waiting = new();
    private readonly byte[] length = new byte[sizeof(int)];
    private volatile bool ended;
    private long calls;

    /// <summary>Whether the other end is gone. Any thread.</summary>
    internal bool HasEnded => ended;

    /// <summary>Told after each answer and each end, on the thread that reads.</summary>
    internal Action Heard { get; init; } = static () => { };

    /// <summary>A record as it travels.</summary>
    internal static JsonNode? Pack<TBody>(TBody body) => JsonSerializer.SerializeToNode(body, Form);

    /// <summary>What a record was.</summary>
    /// <exception cref="PluginProcessException">It is none.</exception>
    internal static TBody Unpack<TBody>(JsonNode? body)
    {
        try
        {
            return body.Deserialize<TBody>(Form)
                ?? throw new PluginProcessException($"a {typeof(TBody).Name} was expected of it");
        }
        catch (Exception wrong) when (wrong is JsonException or NotSupportedException
            or InvalidOperationException)
        {
            throw new PluginProcessException(
                $"a {typeof(TBody).Name} was expected of it, found: {wrong.Message}", wrong);
        }
    }

    /// <summary>Reads until the other end is gone; then every call fails.</summary>
    internal void Read()
    {
        try
        {
            while (TryReadFrame(out JsonObject frame))
            {
                Take(frame);
            }
        }
        catch (Exception gone) when (gone is IOException or SocketException or JsonException
            or ObjectDisposedException or InvalidOperationException or FormatException)
        {
            // Whatever was wrong with it: there is nobody to go on with.
        }

        ended = true;
        foreach (long call in waiting.Keys)
        {
            Fail(call);
        }

        Heard();
    }

    /// <summary>Tells something without an answer. Any thread; nothing when it has ended.</summary>
    internal void Tell(string what, JsonNode? body) =>
        Send(new JsonObject { ["do"] = what, ["body"] = body });

    /// <summary>Asks for something. Any thread.</summary>
    /// <exception cref="RefusedException">It was refused.</exception>
    /// <exception cref="PluginProcessException">It failed, or the other end is gone.</exception>
    internal Task<JsonNode?> CallAsync(string what, JsonNode? body)
    {
        TaskCompletionSource<JsonNode?> answer =
            new(TaskCreationOptions.RunContinuationsAsynchronously);
        long call = Interlocked.Increment(ref calls);
        waiting[call] = answer;
        Send(new JsonObject { ["do"] = what, ["call"] = call, ["body"] = body });
        if (ended)
        {
            Fail(call); // It ended before it could see this one.
        }

        return answer.Task;
    }

    /// <summary>Answers a call of the other end; for <see cref="LineCall"/>.</summary>
    internal void Answer(long call, JsonNode? body, Refusal? refusal, string? failure) => Send(new()
    {
        ["re"] = call,
        ["body"] = body,
        ["refusal"] = refusal is null ? null : Pack(refusal),
        ["failure"] = failure,
    });

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    private void Take(JsonObject frame)
    {
        if ((long?)frame["re"] is { } answered)
        {
            if (waiting.TryRemove(answered, out TaskCompletionSource<JsonNode?>? answer))
            {
                Settle(answer, frame);
            }

            Heard();
            return;
        }

        take(new LineCall(this, (long?)frame["call"] ?? 0, $"{frame["do"]}", frame["body"]));
    }

    private static void Settle(TaskCompletionSource<JsonNode?> answer, JsonObject frame)
    {
        if (frame["refusal"] is { } refusal)
        {
            answer.SetException(new RefusedException(Unpack<Refusal>(refusal)));
        }
        else if (frame["failure"] is { } failure)
        {
            answer.SetException(new PluginProcessException($"{failure}"));
        }
        else
        {
            JsonNode? body = frame["body"];
            frame["body"] = null; // So that it can go into another document.
            answer.SetResult(body);
        }
    }

    private void Fail(long call)
    {
        if (waiting.TryRemove(call, out TaskCompletionSource<JsonNode?>? answer))
        {
            answer.SetException(new PluginProcessException("its process has ended"));
        }
    }

    private bool TryReadFrame(out JsonObject frame)
    {
        frame = [];
        if (!TryFill(length))
        {
            return false;
        }

        int bytes = BinaryPrimitives.ReadInt32LittleEndian(length);
        if (bytes is <= 0 or > BytesMax)
        {
            return false;
        }

        byte[] text = new byte[bytes];
        bool whole = TryFill(text);
        frame = whole ? JsonNode.Parse(text)!.AsObject() : frame;
        return whole;
    }

    private bool TryFill(Span<byte> into)
    {
        while (into.Length > 0)
        {
            int count = socket.Receive(into);
            if (count == 0)
            {
                return false;
            }

            into = into[count..];
        }

        return true;
    }

    private void Send(JsonObject frame)
    {
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(frame, Form);
        byte[] whole = new byte[sizeof(int) + text.Length];
        BinaryPrimitives.WriteInt32LittleEndian(whole, text.Length);
        text.CopyTo(whole, sizeof(int));
        try
        {
            lock (sending)
            {
                for (int sent = 0; sent < whole.Length;)
                {
                    sent += socket.Send(whole.AsSpan(sent));
                }
            }
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // Whoever reads sees the same, and fails what waits for an answer.
        }
    }
}

/// <summary>A call of the other end.</summary>
/// <param name="Line">The line it came over.</param>
/// <param name="Number">Its number; 0 when no answer is wanted.</param>
/// <param name="What">What is to be done.</param>
/// <param name="Body">With what.</param>
internal sealed record LineCall(Line Line, long Number, string What, JsonNode? Body)
{
    /// <summary>The body as a record.</summary>
    internal TBody Of<TBody>() => Line.Unpack<TBody>(Body);

    /// <summary>Does what is asked and answers with what it gives, or with how it failed.</summary>
    internal async Task RunAsync(Func<ValueTask<JsonNode?>> work)
    {
        try
        {
            Answer(await work(), null, null);
        }
        catch (RefusedException refused)
        {
            Answer(null, refused.Refusal, null);
        }
#pragma warning disable CA1031 // Whatever it is, it is told to who asked.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Answer(null, null, Hosting.McMasterPluginLoader.Shown(failure));
        }
    }

    /// <summary>Answers, when an answer is wanted.</summary>
    internal void Answer(JsonNode? body, Refusal? refusal, string? failure)
    {
        if (Number != 0)
        {
            Line.Answer(Number, body, refusal, failure);
        }
    }
}
