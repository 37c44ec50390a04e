using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Logs;

/// <summary>
/// A line for people: time, level, who, the event's id or a number in brackets, and what.
/// </summary>
internal sealed class TextLines() : ConsoleFormatter(FormatterName)
{
    /// <summary>Its name among formatters.</summary>
    internal const string FormatterName = "storageos-text";

    /// <inheritdoc/>
    public override void Write<TState>(
        in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        string text = logEntry.Formatter(logEntry.State, logEntry.Exception);
        string id = NodeEvent.IsId(logEntry.EventId.Name) ? logEntry.EventId.Name! : "0";
        textWriter.Write(DateTime.UtcNow.ToString(
            "yyyy-MM-ddTHH:mm:ss.fff ", CultureInfo.InvariantCulture));
        textWriter.Write($"{Word(logEntry.LogLevel)}: {logEntry.Category}[{id}] ");
        textWriter.Write(text.ReplaceLineEndings(" "));
        if (logEntry.Exception is { } failure)
        {
            textWriter.Write($" {failure.ToString().ReplaceLineEndings(" ")}");
        }

        textWriter.Write('\n');
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Critical => "crit",
        LogLevel.Error => "fail",
        LogLevel.Warning => "warn",
        LogLevel.Information => "info",
        _ => "dbug",
    };
}
