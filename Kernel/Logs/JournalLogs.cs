// Writes to systemd's journal by its own protocol: a datagram for each entry, with a field a line.
// Whoever logs fills a slot of a bounded queue and goes on; one thread sends. A journal that stands
// still or is away costs lines, which are counted and told once it is back.
using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Logs;

/// <summary>Sends what is logged to the journal. Any thread.</summary>
internal sealed class JournalLogs : ILoggerProvider
{
    /// <summary>Entries that may wait for the journal.</summary>
    internal const int EntriesMax = 4096;

    /// <summary>
    /// Letters of one field: entry and all, it stays below what a datagram may be everywhere.
    /// </summary>
    private const int ValueCharsMax = 16 * 1024;

    private const int FieldsMax = 8;
    private static readonly TimeSpan EndTimeMax = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SendTimeMax = TimeSpan.FromSeconds(1);

    private readonly Channel<byte[]> queue = Channel.CreateBounded<byte[]>(
        new BoundedChannelOptions(EntriesMax)
        {
            // Wait: a write that finds no room fails at once and is counted.
            FullMode = BoundedChannelFullMode.Wait,
            SingleReader = true,
        });
    private readonly string node;
    private readonly UnixDomainSocketEndPoint journal;
    private readonly Thread sender;
    private Socket? socket;
    private long lost;
    private bool away;

    /// <summary>Begins to send.</summary>
    /// <param name="path">The journal's socket.</param>
    /// <param name="node">Name of the node.</param>
    internal JournalLogs(string path, string node)
    {
        (this.node, journal) = (node, new(path));
        sender = new(Send) { Name = "journal", IsBackground = true };
        sender.Start();
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    /// <summary>What waits is sent first, as far as the journal takes it.</summary>
    public void Dispose()
    {
        if (queue.Writer.TryComplete())
        {
            _ = sender.Join(EndTimeMax);
        }
    }

    private void Take(byte[] entry)
    {
        if (!queue.Writer.TryWrite(entry))
        {
            _ = Interlocked.Increment(ref lost);
        }
    }

    private void Send()
    {
        while (queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (queue.Reader.TryRead(out byte[]? entry))
            {
                if (!TrySend(entry))
                {
                    _ = Interlocked.Increment(ref lost);
                }
                else if (queue.Reader.Count < EntriesMax / 2 // Else the count would be lost, too.
                    && Interlocked.Exchange(ref lost, 0) is > 0 and long count)
                {
                    KernelEvents.LinesLost.Raise(new Logger(this, "journal"), count);
                }
            }
        }

        socket?.Dispose();
    }

    /// <summary>On an error the socket is made anew: the journal may have been, too.</summary>
    private bool TrySend(byte[] entry)
    {
        try
        {
            if (socket is null)
            {
                Socket fresh = new(
                    AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
                {
                    SendTimeout = (int)SendTimeMax.TotalMilliseconds,
                };
                socket = fresh;
                fresh.Connect(journal);
            }

            _ = socket.Send(entry);
            away = false;
            return true;
        }
        catch (SocketException failure)
        {
            socket?.Dispose();
            socket = null;
            if (!away)
            {
                away = true; // Nobody else would hear of it.
                Console.Error.WriteLine(
                    $"storageos: the journal at {journal} takes nothing: {failure.Message}");
            }

            return false;
        }
    }

    private sealed class Logger(JournalLogs its, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) =>
            logLevel is >= LogLevel.Information and < LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
            {
                return;
            }

            using MemoryStream entry = new();
            Put(entry, "MESSAGE", exception is null
                ? formatter(state, exception) : $"{formatter(state, exception)} {exception}");

            // Debug 7, critical 2: the journal counts like syslog.
            Put(entry, "PRIORITY", $"{7 - (int)NodeEvent.SeverityOf(logLevel, eventId)}");
            Put(entry, "SYSLOG_IDENTIFIER", "storageos");
            Put(entry, "NODE", its.node);
            Put(entry, "LOGGER", category);
            if (NodeEvent.IsId(eventId.Name))
            {
                Put(entry, "EVENT_ID", eventId.Name!);
            }

            foreach ((string name, object? value) in Parameters.Of(state).Take(FieldsMax))
            {
                Put(entry, NameOf(name), Parameters.Shown(value));
            }

            its.Take(entry.ToArray());
        }
    }

    /// <summary>
    /// A parameter's field: with a prefix, so that none takes the place of the journal's own.
    /// </summary>
    private static string NameOf(string parameter) => "STORAGEOS_" + string.Concat(
        parameter.Select(static letter =>
            char.IsAsciiLetterOrDigit(letter) ? char.ToUpperInvariant(letter) : '_'));

    /// <summary>By its length, which a value of several lines needs.</summary>
    private static void Put(MemoryStream entry, string name, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(
            value.Length > ValueCharsMax ? value[..ValueCharsMax] : value);
        entry.Write(Encoding.ASCII.GetBytes(name));
        if (!bytes.Contains((byte)'\n'))
        {
            entry.WriteByte((byte)'=');
        }
        else
        {
            Span<byte> length = stackalloc byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)bytes.Length);
            entry.WriteByte((byte)'\n');
            entry.Write(length);
        }

        entry.Write(bytes);
        entry.WriteByte((byte)'\n');
    }
}
