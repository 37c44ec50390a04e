using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace StorageOs.Kernel.Logs;

/// <summary>How a node writes its log.</summary>
public enum LogForm
{
    /// <summary>Lines for people, on standard output.</summary>
    Text,

    /// <summary>An object a line, on standard output.</summary>
    Json,

    /// <summary>Entries with fields, to systemd's journal.</summary>
    Journald,
}

/// <summary>What a node's log is written as.</summary>
/// <param name="Form">The form.</param>
/// <param name="JournalSocket">Where the journal takes entries.</param>
public sealed record LogSettings(
    LogForm Form = LogForm.Text, string JournalSocket = LogSettings.SystemJournal)
{
    /// <summary>Where systemd has it.</summary>
    public const string SystemJournal = "/run/systemd/journal/socket";
}

/// <summary>Makes where a node of a process of its own logs to.</summary>
internal static class NodeLogs
{
    /// <summary>
    /// Whoever logs may be the connection manager: neither a console nor a journal that is slower
    /// than the log holds it up, it loses lines.
    /// </summary>
    /// <param name="settings">In which form.</param>
    /// <param name="node">The node's name.</param>
    /// <param name="toError">Whether standard output is for something else.</param>
    internal static ILoggerFactory Make(LogSettings settings, string node, bool toError) =>
        LoggerFactory.Create(builder =>
        {
            if (settings.Form == LogForm.Journald)
            {
                _ = builder.Services.AddSingleton<ILoggerProvider>(
                    _ => new JournalLogs(settings.JournalSocket, node));
                return;
            }

            _ = builder.AddConsole(console =>
            {
                console.FormatterName = settings.Form == LogForm.Json
                    ? JsonLines.FormatterName : TextLines.FormatterName;
                console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
                if (toError)
                {
                    console.LogToStandardErrorThreshold = LogLevel.Trace;
                }
            });
            _ = builder.AddConsoleFormatter<TextLines, ConsoleFormatterOptions>();
            _ = builder.AddConsoleFormatter<JsonLines, ConsoleFormatterOptions>();
        });
}
