using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using StorageOs.Contracts.Runtime;
using StorageOs.Management.Node;

namespace StorageOs.Management.Web;

/// <summary>
/// What a monitor asks: whether the node answers (<c>livez</c>), and whether it does what it is
/// there for (<c>readyz</c>). That the pair could not lose a node now makes a node no less ready,
/// for it serves; <c>readyz?verbose</c> says it all the same.
/// </summary>
internal static class Health
{
    private const string Serving = "Serving";

    /// <summary>One thing that was looked at.</summary>
    /// <param name="Name">What.</param>
    /// <param name="Good">Whether it is well.</param>
    /// <param name="Decides">Whether the node is not ready without it.</param>
    /// <param name="Why">What was found.</param>
    private readonly record struct Look(string Name, bool Good, bool Decides, string Why);

    /// <summary>Whether the node tells anything at all.</summary>
    public static async Task<IResult> LiveAsync(
        NodeView view, CancellationToken cancellation)
    {
        try
        {
            _ = await view.StatusAsync(cancellation);
            return Results.Text("ok\n");
        }
        catch (Exception failure) when (failure is RefusedException or TimeoutException)
        {
            return Results.Text(
                $"{failure.Message}\n", statusCode: StatusCodes.Status503ServiceUnavailable);
        }
    }

    /// <summary>Whether it serves.</summary>
    public static async Task<IResult> ReadyAsync(
        NodeView view, HttpRequest request, CancellationToken cancellation)
    {
        JsonNode? node;
        try
        {
            node = (await view.StatusAsync(cancellation))["node"];
        }
        catch (Exception failure) when (failure is RefusedException or TimeoutException)
        {
            return Results.Text(
                $"{failure.Message}\n", statusCode: StatusCodes.Status503ServiceUnavailable);
        }

        Look[] looks = [.. LooksAt(node)];
        bool ready = looks.All(static look => look.Good || !look.Decides);
        StringBuilder text = new();
        if (request.Query.ContainsKey("verbose"))
        {
            foreach (Look look in looks)
            {
                string mark = look.Good ? "[+]" : look.Decides ? "[-]" : "[!]";
                string why = look.Good ? "ok" : look.Why;
                _ = text.Append(mark).Append(look.Name).Append(' ').Append(why).Append('\n');
            }
        }

        _ = text.Append(ready ? "ok\n" : "not ready\n");
        return Results.Text(
            text.ToString(), statusCode: ready
                ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }

    private static IEnumerable<Look> LooksAt(JsonNode? node)
    {
        string phase = $"{node?["phase"]}";
        yield return new("phase", phase == Serving, true, phase);
        foreach (JsonNode? plugin in node?["plugins"] as JsonArray ?? [])
        {
            // What came with the system is what the node is there for.
            if ($"{plugin?["source"]}" == "system" && $"{plugin?["state"]}" != "NotChosen")
            {
                string state = $"{plugin?["state"]}";
                yield return new(
                    $"plugin {plugin?["id"]}", state == "Running", true,
                    $"{state}: {plugin?["reason"]}");
            }
        }

        string session = $"{node?["session"]?["state"]}";
        yield return new("session", session == "Ready", false, session);
        string witness = $"{node?["witness"]?["state"]}";
        yield return new(
            "witness", witness == "Found", false, $"{witness} {node?["witness"]?["detail"]}");
        string reasons = string.Join(
            "; ", (node?["takeover"]?["reasons"] as JsonArray ?? []).Select(why => $"{why}"));
        yield return new("takeover", reasons.Length == 0, false, reasons);
    }
}
