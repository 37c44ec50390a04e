using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Management.Web;

/// <summary>What was expected, what was found, what to do: the body of every refusal.</summary>
/// <param name="Subject">What it is about.</param>
/// <param name="Expected">What was expected.</param>
/// <param name="Actual">What was found.</param>
/// <param name="Remedy">What to do; may be empty.</param>
internal sealed record RefusalBody(string Subject, string Expected, string Actual, string Remedy)
{
    internal static RefusalBody Of(Refusal refusal) =>
        new(refusal.Subject, refusal.Expected, refusal.Actual, refusal.Remedy);
}

/// <summary>A refusal as the API answers it.</summary>
/// <param name="Refusal">Why.</param>
internal sealed record RefusedBody(RefusalBody Refusal);

/// <summary>What came of an action.</summary>
/// <param name="Result">The node's own answer.</param>
internal sealed record DoneBody(JsonNode? Result);

/// <summary>Makes answers.</summary>
internal static class Answers
{
    /// <summary>A refusal with its status code.</summary>
    public static IResult Refused(int code, Refusal refusal) =>
        Results.Json(new RefusedBody(RefusalBody.Of(refusal)), statusCode: code);

    /// <summary>Answers what cannot be read as the request that it should be.</summary>
    public static async Task RefuseBadAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (BadHttpRequestException bad) when (!context.Response.HasStarted)
        {
            await RefuseAsync(context, bad.StatusCode, new(
                $"{context.Request.Method} {context.Request.Path}",
                "a request as /openapi/v1.json describes it",
                (bad.InnerException ?? bad).Message));
        }
    }

    /// <summary>Writes a refusal where there is no endpoint to return it.</summary>
    public static Task RefuseAsync(HttpContext context, int code, Refusal refusal) =>
        Refused(code, refusal).ExecuteAsync(context);
}
