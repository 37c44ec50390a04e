using System.Text;
using ApplicationServer;
using ApplicationServer.Shared;
using StorageOs.Contracts.Runtime;
using StorageOs.Hosting;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
builder.Services.AddSingleton<Journal>();
builder.Services.AddStorageOs(options => options.AddPlugin(
    Journal.PluginId, services => services.GetRequiredService<Journal>()));

WebApplication app = builder.Build();
app.MapPost("/records", async (HttpRequest request, Journal journal, CancellationToken gone) =>
{
    using MemoryStream body = new();
    byte[] piece = new byte[Frame.PayloadBytesMax];
    while (await request.Body.ReadAsync(piece, gone) is var bytes && bytes > 0)
    {
        body.Write(piece, 0, bytes);
        if (body.Length > Frame.PayloadBytesMax)
        {
            return Results.Json(
                new { error = $"a record has at most {Frame.PayloadBytesMax} bytes" },
                statusCode: StatusCodes.Status413PayloadTooLarge);
        }
    }

    try
    {
        (ulong sequence, bool both) = await journal.AppendAsync(body.ToArray());
        return Results.Json(
            new { sequence, held = both ? "both" : "here" },
            statusCode: StatusCodes.Status201Created);
    }
    catch (RefusedException refused)
    {
        return Results.Json(
            new { error = $"{refused.Refusal}" },
            statusCode: StatusCodes.Status503ServiceUnavailable);
    }
});
app.MapGet("/records", (Journal journal) => Results.Json(journal.All().Select(
    static record => new
    {
        sequence = record.Sequence,
        text = Encoding.UTF8.GetString(record.Payload),
        held = record.Both ? "both" : "here",
    })));
app.MapGet("/health", (Journal journal, IStorageOsNode node) =>
{
    NodeStatus status = node.Status;
    (RecordsState state, ulong records, ulong held, string why) = journal.Standing;
    Refusal? refusal = journal.WhyNot();
    return Results.Json(
        new
        {
            acknowledges = refusal is null,
            refusal = refusal?.ToString(),
            node = $"{status.State}",
            reason = status.Reason,
            partner = $"{status.Partner?.Condition}",
            plugins = status.Plugins.ToDictionary(p => p.Id, p => p.State),
            records = new { state = $"{state}", why, count = records, heldByPartner = held },
        },
        statusCode: refusal is null
            ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
});
app.Run();
