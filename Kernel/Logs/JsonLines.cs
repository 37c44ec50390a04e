using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Logs;

/// <summary>One JSON object a line; docs/OPERATIONS.md lists its keys.</summary>
internal sealed class JsonLines() : ConsoleFormatter(FormatterName)
{
    /// <summary>Its name among formatters.</summary>
    internal const string FormatterName = "storageos-json";

    /// <inheritdoc/>
    public override void Write<TState>(
        in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            json.WriteString("time", DateTime.UtcNow.ToString(
                "yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture));
            json.WriteString("level", logEntry.LogLevel.ToString());
            json.WriteString(
                "severity", $"{NodeEvent.SeverityOf(logEntry.LogLevel, logEntry.EventId)}");
            if (NodeEvent.IsId(logEntry.EventId.Name))
            {
                json.WriteString("id", logEntry.EventId.Name);
            }

            json.WriteString("category", logEntry.Category);
            json.WriteString(
                "message", logEntry.Formatter(logEntry.State, logEntry.Exception));
            WriteParameters(json, logEntry.State);
            if (logEntry.Exception is { } failure)
            {
                json.WriteString("exception", failure.ToString());
            }

            json.WriteEndObject();
        }

        textWriter.Write(Encoding.UTF8.GetString(bytes.WrittenSpan));
        textWriter.Write('\n');
    }

    private static void WriteParameters<TState>(Utf8JsonWriter json, TState state)
    {
        json.WriteStartObject("parameters");
        foreach ((string name, object? value) in Parameters.Of(state))
        {
            switch (value)
            {
                case int or uint or long or ulong or short or ushort or byte:
                    json.WriteNumber(name, Convert.ToDecimal(value, CultureInfo.InvariantCulture));
                    break;
                case double number when double.IsFinite(number):
                    json.WriteNumber(name, number);
                    break;
                case bool truth:
                    json.WriteBoolean(name, truth);
                    break;
                case null:
                    json.WriteNull(name);
                    break;
                default:
                    json.WriteString(name, Parameters.Shown(value));
                    break;
            }
        }

        json.WriteEndObject();
    }
}

/// <summary>The parameters of a line of a log.</summary>
internal static class Parameters
{
    /// <summary>Each once, in the line's order: whoever logs may name one twice.</summary>
    internal static IEnumerable<KeyValuePair<string, object?>> Of<TState>(TState state) =>
        (state as IReadOnlyList<KeyValuePair<string, object?>> ?? [])
            .Where(static one => one.Key != "{OriginalFormat}")
            .DistinctBy(static one => one.Key);

    /// <summary>A value as text, the same in every country.</summary>
    internal static string Shown(object? value) =>
        Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
}
