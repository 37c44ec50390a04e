using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Kernel.Recorder;

/// <summary>
/// Records what any module logs at level information or above. The log is where every module
/// already says what matters, so nobody has to say it twice; what must be more than text is logged
/// as an event.
/// </summary>
internal sealed class RecorderLogs(FlightRecorder recorder) : ILoggerProvider
{
    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) =>
        new SourceLogger(recorder, categoryName[(categoryName.LastIndexOf('.') + 1)..]);

    /// <inheritdoc/>
    public void Dispose()
    {
        // The recorder is its node's.
    }

    private sealed class SourceLogger(FlightRecorder recorder, string source) : ILogger
    {
        private readonly EventBudget budget = new();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) =>
            logLevel is >= LogLevel.Information and < LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            // A session or a swap of the register is the story itself, however often it comes. A
            // method's name, which logging makes up where none is given, is no id.
            bool named = NodeEvent.IsId(eventId.Name);
            bool always = named && EventNames.AreStory(eventId.Name!);
            long now = Environment.TickCount64 * 1_000_000;
            long leftOut = 0;
            if (!IsEnabled(logLevel) || (!always && !budget.TryTake(now, out leftOut)))
            {
                return;
            }

            string text = formatter(state, exception);
            text = exception is null
                ? text : $"{text}: {exception.GetType().Name}: {exception.Message}";
            RecordedEvent what = new()
            {
                Level = logLevel,
                Severity = NodeEvent.SeverityOf(logLevel, eventId),
                Source = source,
                Name = named ? eventId.Name! : "",
                Text = leftOut == 0 ? text : $"{text} ({leftOut} more were left out before)",
            };
            recorder.Record(
                state is IReadOnlyList<KeyValuePair<string, object?>> values
                    ? WithValues(what, always, values) : what);
        }

        private static RecordedEvent WithValues(
            RecordedEvent what, bool all, IReadOnlyList<KeyValuePair<string, object?>> values)
        {
            StringBuilder facts = new();
            foreach ((string key, object? value) in values)
            {
                switch (key, value)
                {
                    case ("Group", GroupId group): what = what with { Group = group }; break;
                    case ("Term", Term term): what = what with { Term = term.Value }; break;
                    case ("Term", ulong term): what = what with { Term = term }; break;
                    case ("Session", SessionId id): what = what with { Session = id }; break;
                    case ("{OriginalFormat}", _): break;
                    default:
                        if (all)
                        {
                            string fact = char.ToLowerInvariant(key[0]) + key[1..];
                            _ = facts.Append(facts.Length > 0 ? ";" : "").Append(fact)
                                .Append('=').Append(Shown(value));
                        }

                        break;
                }
            }

            return all ? what with { Facts = facts.ToString() } : what;
        }

        private static string Shown(object? value) =>
            (Convert.ToString(value, CultureInfo.InvariantCulture) ?? "").Replace(';', ',');
    }
}
