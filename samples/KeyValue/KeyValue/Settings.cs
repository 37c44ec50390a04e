using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Sample.KeyValue;

/// <summary>The plugin's settings; what they may be stands in plugin.json.</summary>
/// <param name="Socket">Where applications connect.</param>
/// <param name="GoesAlone">Whether writes are taken without the partner.</param>
/// <param name="MaxBytes">The most bytes of keys and values.</param>
/// <param name="Save">How long after a write it is in the file at the latest.</param>
internal sealed record Settings(string Socket, bool GoesAlone, long MaxBytes, TimeSpan Save)
{
    public static Settings Of(IConfiguration section) => new(
        section["socket"] ?? "keyvalue.sock",
        section["withoutPartner"] == "alone",
        Number(section["maxBytes"], Store.LiveBytesMax),
        TimeSpan.FromSeconds(Number(section["saveSeconds"], 1)));

    private static long Number(string? text, long otherwise) =>
        text is null ? otherwise : long.Parse(text, CultureInfo.InvariantCulture);
}
