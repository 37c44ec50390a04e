using System.Diagnostics;
using System.Net.Http;
using Grpc.Core;
using Grpc.Net.Client;
using StorageOs.Witness.Etcd.Wire;

namespace StorageOs.Witness.Etcd;

/// <summary>What one member of etcd said, or why it said nothing that can be used.</summary>
/// <param name="Value">Its reply; null when none came.</param>
/// <param name="Why">What went wrong, for people; empty when nothing did.</param>
/// <param name="NotLoggedIn">It refused, and did nothing, for want of a login.</param>
internal sealed record Answer<T>(T? Value, string Why = "", bool NotLoggedIn = false)
    where T : class;

// A call is sent once. Nothing below repeats it: no service configuration, so no retries and no
// hedging by the gRPC library; an HTTP client of its own, so no connection management by it
// either. The HTTP client itself sends again only what the other end says it has not looked at.
// Time is kept by a token that is cancelled, not by gRPC's deadlines, which are times of day.

/// <summary>
/// One member of the cluster as one group's register uses it: a connection of its own, made when it
/// is needed, and a login.
/// </summary>
internal sealed class Member(Uri address, EtcdSettings settings) : IDisposable
{
    private const int MessageBytesMax = 64 * 1024;
    private const int DetailCharsMax = 300;

    // A password is expensive to check, on purpose; a wrong one is not tried with every read.
    private static readonly TimeSpan LoginAgainAfter = TimeSpan.FromSeconds(5);
    private readonly Lock gate = new();
    private GrpcChannel? channel;
    private string? token;
    private (string Why, long At)? loginRefused;
    private bool disposed;

    /// <summary>
    /// Reads; logs in anew, and asks again, when the login had expired: a read may be repeated.
    /// </summary>
    /// <param name="request">What to read.</param>
    /// <param name="limit">Cancelled when the time is over; the connection is given up.</param>
    /// <param name="unneeded">Cancelled then, too, and when somebody else has answered.</param>
    public async Task<Answer<RangeResponse>> ReadAsync(
        RangeRequest request, CancellationToken limit, CancellationToken unneeded)
    {
        Answer<RangeResponse> answer = await AskAsync(Read, limit, unneeded);
        return answer.NotLoggedIn ? await AskAsync(Read, limit, unneeded) : answer;

        AsyncUnaryCall<RangeResponse> Read(CallInvoker invoker, CallOptions options) =>
            new KV.KVClient(invoker).RangeAsync(request, options);
    }

    /// <summary>Swaps, by one request that is sent once, whatever becomes of it (S3).</summary>
    public Task<Answer<TxnResponse>> SwapAsync(TxnRequest request, CancellationToken limit) =>
        AskAsync(
            (invoker, options) => new KV.KVClient(invoker).TxnAsync(request, options),
            limit, limit);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            channel?.Dispose();
            channel = null;
        }
    }

    private async Task<Answer<T>> AskAsync<T>(
        Func<CallInvoker, CallOptions, AsyncUnaryCall<T>> call,
        CancellationToken limit, CancellationToken unneeded)
        where T : class
    {
        GrpcChannel? used = null;
        try
        {
            used = Connection();
            CallInvoker invoker = used.CreateCallInvoker();
            CallOptions options = new(await LogInAsync(invoker, unneeded), null, unneeded);
            using AsyncUnaryCall<T> running = call(invoker, options);
            return new Answer<T>(await running.ResponseAsync);
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            return Failed<T>(failure, used, limit);
        }
    }

    private Answer<T> Failed<T>(Exception failure, GrpcChannel? used, CancellationToken limit)
        where T : class
    {
        if (limit.IsCancellationRequested)
        {
            // Whether the member is slow or the connection leads nowhere cannot be told from here.
            GiveUp(used);
            return new Answer<T>(null, $"{address}: no answer in time");
        }

        return new Answer<T>(null, $"{address}: {Shown(failure)}", ForgetLogin(failure));
    }

    /// <summary>
    /// Whether a call was refused because of its login: one that expired, or is older than the last
    /// change of users and rights, which etcd reports under other codes.
    /// </summary>
    private bool ForgetLogin(Exception failure)
    {
        if (failure is not RpcException refused || refused.StatusCode
            is not (StatusCode.Unauthenticated or StatusCode.InvalidArgument or StatusCode.Unknown))
        {
            return false;
        }

        lock (gate)
        {
            bool had = token is not null;
            token = null;
            return had;
        }
    }

    private static string Shown(Exception failure)
    {
        string text = failure is RpcException refused
            ? $"{refused.StatusCode}: {refused.Status.Detail}"
            : failure.Message;
        text = text.ReplaceLineEndings(" ");
        return text.Length > DetailCharsMax ? text[..DetailCharsMax] : text;
    }

    private async Task<Metadata?> LogInAsync(CallInvoker invoker, CancellationToken unneeded)
    {
        if (settings.User is not { } user)
        {
            return null;
        }

        string? held;
        lock (gate)
        {
            held = token;
            if (held is null && loginRefused is { } refused
                && Stopwatch.GetElapsedTime(refused.At) < LoginAgainAfter)
            {
                throw new InvalidOperationException(refused.Why);
            }
        }

        held ??= await AuthenticateAsync(user, invoker, unneeded);
        lock (gate)
        {
            token = held;
            loginRefused = null;
        }

        return new Metadata { { "token", held } };
    }

    private async Task<string> AuthenticateAsync(
        EtcdUser user, CallInvoker invoker, CancellationToken unneeded)
    {
        try
        {
            AuthenticateRequest request = new() { Name = user.Name, Password = user.Password };
            using AsyncUnaryCall<AuthenticateResponse> running =
                new Auth.AuthClient(invoker).AuthenticateAsync(
                    request, new CallOptions(null, null, unneeded));
            return (await running.ResponseAsync).Token;
        }
        catch (RpcException refused) when (refused.StatusCode is StatusCode.InvalidArgument
            or StatusCode.FailedPrecondition)
        {
            string why = $"the login as {user.Name} is refused: {Shown(refused)}";
            lock (gate)
            {
                loginRefused = (why, Stopwatch.GetTimestamp());
            }

            throw new InvalidOperationException(why, refused);
        }
    }

    private GrpcChannel Connection()
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return channel ??= Open();
        }
    }

    private void GiveUp(GrpcChannel? used)
    {
        lock (gate)
        {
            if (channel is not null && channel == used)
            {
                channel.Dispose();
                channel = null;
            }
        }
    }

    private GrpcChannel Open()
    {
        SocketsHttpHandler handler = new()
        {
            UseProxy = false, // A register is not to be reached by what the environment says.
            UseCookies = false,
            AllowAutoRedirect = false,
            EnableMultipleHttp2Connections = false,
            ConnectTimeout = settings.Deadline,
            ActivityHeadersPropagator = null,
        };
        if (settings.Tls is { } tls)
        {
            handler.SslOptions = tls;
        }

        return GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpClient = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan },
            DisposeHttpClient = true,
            DisableResolverServiceConfig = true,
            MaxReceiveMessageSize = MessageBytesMax,
            MaxSendMessageSize = MessageBytesMax,
        });
    }
}
