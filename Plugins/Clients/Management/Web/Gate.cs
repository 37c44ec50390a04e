using System.Globalization;
using System.Net;
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
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly string[] Open = ["/livez", "/readyz"];

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
            new Caller("socket", Role.Operator, null).Enter(context);
            await next(context);
            return;
        }

        using RateLimitLease lease = requests.AttemptAcquire(address);
        if (!lease.IsAcquired)
        {
            await RefuseBusyAsync(
                context, $"at most {requestsPerSecond} requests a second from {address}");
            return;
        }

        if (IsPage(context.Request))
        {
            await next(context); // Nothing in it is of this node.
            return;
        }

        await PassTokenAsync(context, next, address);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        requests.Dispose();
        wrongTokens.Dispose();
    }

    private static bool IsPage(HttpRequest request) =>
        HttpMethods.IsGet(request.Method)
        && (Open.Contains(request.Path.Value) || Page.Has(request.Path.Value ?? ""));

    private async Task PassTokenAsync(HttpContext context, RequestDelegate next, IPAddress address)
    {
        const string Scheme = "Bearer ";
        string header = context.Request.Headers.Authorization.ToString();
        string? token = header.StartsWith(Scheme, StringComparison.Ordinal)
            ? header[Scheme.Length..].Trim() : null;
        if (wrongTokens.GetStatistics(address)?.CurrentAvailablePermits == 0)
        {
            await RefuseBusyAsync(
                context, $"at most {WrongTokensPerMinute} wrong tokens a minute from {address}");
        }
        else if (token is { Length: > 0 } && tokens?.Find(token) is { } its)
        {
            new Caller(its.Name, its.Role, address).Enter(context);
            await next(context);
        }
        else
        {
            if (token is not null)
            {
                wrongTokens.AttemptAcquire(address).Dispose();
            }

            context.Response.Headers[HeaderNames.WWWAuthenticate] = "Bearer";
            await Answers.RefuseAsync(context, StatusCodes.Status401Unauthorized, new(
                "request", "a token of the node's file of tokens, as \"Authorization: Bearer …\"",
                token is null ? "none" : "one that is not in it"));
        }
    }

    private static Task RefuseBusyAsync(HttpContext context, string expected)
    {
        context.Response.Headers[HeaderNames.RetryAfter] =
            Second.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        return Answers.RefuseAsync(context, StatusCodes.Status429TooManyRequests, new(
            "request", expected, "more", "ask less often"));
    }
}
