using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Services;

namespace StorageOs.Kernel.Recorder;

/// <summary>
/// Records what any module logs at level information or above. The log is where every module
/// already says what matters, so nobody has to say it twice; what must be more than text is logged
/// under one of <see cref="Contracts.Runtime.EventNames"/>.
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
            long now = Environment.TickCount64 * 1_000_000;
            if (!IsEnabled(logLevel) || !budget.TryTake(now, out long leftOut))
            {
                return;
            }

            string text = formatter(state, exception);
            text = exception is null
                ? text : $"{text}: {exception.GetType().Name}: {exception.Message}";
            RecordedEvent what = new()
            {
                Level = logLevel,
                Source = source,
                Text = leftOut == 0 ? text : $"{text} ({leftOut} more were left out before)",
            };
            recorder.Record(
                state is IReadOnlyList<KeyValuePair<string, object?>> values
                    ? WithValues(what, eventId.Name, values) : what);
        }

        // A method's name, which logging makes up where no name is given, has no dash.
        private static RecordedEvent WithValues(
            RecordedEvent what, string? name, IReadOnlyList<KeyValuePair<string, object?>> values)
        {
            bool named = name is not null && name.Contains('-', StringComparison.Ordinal);
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
                        if (named)
                        {
                            string fact = char.ToLowerInvariant(key[0]) + key[1..];
                            _ = facts.Append(facts.Length > 0 ? ";" : "").Append(fact)
                                .Append('=').Append(Shown(value));
                        }

                        break;
                }
            }

            return named ? what with { Name = name!, Facts = facts.ToString() } : what;
        }

        private static string Shown(object? value) =>
            (Convert.ToString(value, CultureInfo.InvariantCulture) ?? "").Replace(';', ',');
    }
}
