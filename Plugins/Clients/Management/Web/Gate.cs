using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace StorageOs.Management.Web;

/// <summary>
/// Who comes in: on the Unix socket whoever can open it, as an operator; on TCP who has a token.
/// So many requests a second of each address, and far fewer of one whose tokens are wrong.
/// </summary>
internal sealed class Gate(TokenFile? tokens, int requestsPerSecond) : IDisposable
{
    private const int WrongTokensPerMinute = 10;
    private const int TokenCharsMax = 256;
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly PartitionedRateLimiter<IPAddress> requests =
        PartitionedRateLimiter.Create<IPAddress, IPAddress>(
            address => RateLimitPartition.GetTokenBucketLimiter(
                address, _ => new TokenBucketRateLimiterOptions
                {
                    TokenLimit = requestsPerSecond * 2,
                    TokensPerPeriod = requestsPerSecond,
                    ReplenishmentPeriod = Second,
                    QueueLimit = 0,
                }));

    private readonly PartitionedRateLimiter<IPAddress> wrongTokens =
        PartitionedRateLimiter.Create<IPAddress, IPAddress>(
            address => RateLimitPartition.GetFixedWindowLimiter(
                address, _ => new FixedWindowRateLimiterOptions
                {
                    PermitLimit = WrongTokensPerMinute,
                    Window = TimeSpan.FromMinutes(1),
                    QueueLimit = 0,
                }));

    /// <summary>Lets a request in, or answers it.</summary>
    public async Task PassAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Connection.RemoteIpAddress is not { } address)
        {
            new Caller("socket", Role.Operator, null, null).Enter(context);
            await next(context);
            return;
        }

        IPAddress net = ConnectionLimit.NetOf(address);
        using RateLimitLease lease = requests.AttemptAcquire(net);
        if (!lease.IsAcquired)
        {
            await RefuseBusyAsync(
                context, $"at most {requestsPerSecond} requests a second from {net}");
            return;
        }

        if (IsOpen(context.Request))
        {
            await next(context);
            return;
        }

        await PassTokenAsync(context, next, address, net);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        requests.Dispose();
        wrongTokens.Dispose();
    }

    /// <summary>Whether somebody who was let in still would be.</summary>
    public bool Knows(Caller caller) =>
        caller.Token is null || tokens?.Find(caller.Token) is { } its && its.Role == caller.Role;

    /// <summary>What is there for anybody: nothing in it is of this node but that it is.</summary>
    private static bool IsOpen(HttpRequest request) =>
        HttpMethods.IsGet(request.Method)
        && (request.Path == "/livez"
            || (request.Path == "/readyz" && !request.Query.ContainsKey("verbose"))
            || Page.Has(request.Path.Value ?? ""));

    private async Task PassTokenAsync(
        HttpContext context, RequestDelegate next, IPAddress address, IPAddress net)
    {
        const string Scheme = "Bearer ";
        string header = context.Request.Headers.Authorization.ToString();
        string? token = header.StartsWith(Scheme, StringComparison.Ordinal)
            ? header[Scheme.Length..].Trim() : null;
        if (token is { Length: > 0 and <= TokenCharsMax } && tokens?.Find(token) is { } its)
        {
            new Caller(its.Name, its.Role, address, token).Enter(context);
            await next(context);
            return;
        }

        // Only who guesses is kept waiting: others may come from the same address.
        if (token is not null)
        {
            using RateLimitLease guess = wrongTokens.AttemptAcquire(net);
            if (!guess.IsAcquired)
            {
                await RefuseBusyAsync(
                    context, $"at most {WrongTokensPerMinute} wrong tokens a minute from {net}");
                return;
            }
        }

        context.Response.Headers[HeaderNames.WWWAuthenticate] = "Bearer";
        await Answers.RefuseAsync(context, StatusCodes.Status401Unauthorized, new(
            "request", "a token of the node's file of tokens, as \"Authorization: Bearer …\"",
            token is null ? "none" : "one that is not in it"));
    }

    private static Task RefuseBusyAsync(HttpContext context, string expected)
    {
        context.Response.Headers[HeaderNames.RetryAfter] =
            Second.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        return Answers.RefuseAsync(context, StatusCodes.Status429TooManyRequests, new(
            "request", expected, "more", "ask less often"));
    }
}
