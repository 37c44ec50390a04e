using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Kernel.Logs;

namespace StorageOs.Kernel.Tests;

/// <summary>The forms of a node's log.</summary>
[Collection("console")]
public sealed class NodeLogsTests : IDisposable
{
    private static readonly NodeEvent<GroupId, string, double> Odd = new(
        "test-odd", EventSeverity.Notice, "{Group}: {What} took {Seconds:F1} s")
    {
        Cause = "this test",
        Remedy = "none",
    };

    private readonly TestFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_line_of_text_has_the_events_id()
    {
        string line = Assert.Single(Printed(LogForm.Text, static log =>
            Odd.Raise(log, new GroupId(1), "two\nlines", 1.5)));
        Assert.Matches(
            @"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} info: core\[test-odd\] group1: two lines took"
            + " 1.5 s$", line);
    }

    [Fact]
    public void A_line_without_an_id_has_a_nought_and_an_exception_stays_in_its_line()
    {
        string line = Assert.Single(Printed(LogForm.Text, static log =>
            log.LogError(new InvalidOperationException("no"), "it broke")));
        Assert.Contains("fail: core[0] it broke System.InvalidOperationException: no", line);
    }

    [Fact]
    public void A_line_of_json_has_time_severity_id_message_and_parameters()
    {
        JsonNode line = JsonNode.Parse(Assert.Single(Printed(LogForm.Json, static log =>
            Odd.Raise(log, new GroupId(1), "two\nlines", 1.5))))!;
        Assert.Equal("Information", $"{line["level"]}");
        Assert.Equal("Notice", $"{line["severity"]}");
        Assert.Equal("test-odd", $"{line["id"]}");
        Assert.Equal("core", $"{line["category"]}");
        Assert.Equal("group1: two\nlines took 1.5 s", $"{line["message"]}");
        Assert.Equal("two\nlines", $"{line["parameters"]!["What"]}");
        Assert.Equal(1.5, line["parameters"]!["Seconds"]!.GetValue<double>());
        Assert.True(DateTimeOffset.UtcNow - DateTimeOffset.Parse(
            $"{line["time"]}", System.Globalization.CultureInfo.InvariantCulture)
            < TimeSpan.FromMinutes(1));
    }

    [Fact]
    public void An_entry_of_the_journal_has_priority_id_and_parameters_as_fields()
    {
        using Socket journal = Journal();
        using (ILoggerFactory logs = Logs())
        {
            Odd.Raise(logs.CreateLogger("core"), new GroupId(1), "two\nlines", 1.5);
        }

        Dictionary<string, string> fields = Fields(Receive(journal));
        Assert.Equal("group1: two\nlines took 1.5 s", fields["MESSAGE"]);
        Assert.Equal("5", fields["PRIORITY"]);
        Assert.Equal("storageos", fields["SYSLOG_IDENTIFIER"]);
        Assert.Equal("n", fields["NODE"]);
        Assert.Equal("core", fields["LOGGER"]);
        Assert.Equal("test-odd", fields["EVENT_ID"]);
        Assert.Equal("two\nlines", fields["STORAGEOS_WHAT"]);
        Assert.Equal("1.5", fields["STORAGEOS_SECONDS"]);
    }

    [Fact]
    [Raises("lines-lost")]
    public void A_journal_that_stands_still_holds_nobody_up_and_what_it_missed_is_counted()
    {
        using Socket journal = Journal();
        using ILoggerFactory logs = Logs();
        ILogger log = logs.CreateLogger("core");
        long start = Environment.TickCount64;
        for (int i = 0; i < 2 * JournalLogs.EntriesMax; i++)
        {
            Odd.Raise(log, new GroupId(0), "nothing", i);
        }

        Assert.True(Environment.TickCount64 - start < 5000, "who logs was held up");
        Dictionary<string, string> fields;
        do
        {
            fields = Fields(Receive(journal));
        }
        while (fields.GetValueOrDefault("EVENT_ID") != "lines-lost");
        Assert.Equal("4", fields["PRIORITY"]);
        Assert.True(int.Parse(
            fields["STORAGEOS_COUNT"], System.Globalization.CultureInfo.InvariantCulture) > 0);
    }

    [Fact]
    public void A_journal_that_is_away_costs_lines_and_is_found_again()
    {
        using ILoggerFactory logs = Logs();
        ILogger log = logs.CreateLogger("core");
        Odd.Raise(log, new GroupId(0), "nobody hears it", 0);
        using Socket journal = Journal();
        Dictionary<string, string> fields;
        do
        {
            Odd.Raise(log, new GroupId(0), "somebody hears it", 1);
            fields = Fields(Receive(journal));
        }
        while (!fields["MESSAGE"].Contains("somebody", StringComparison.Ordinal));
    }

    private ILoggerFactory Logs() => NodeLogs.Make(
        new LogSettings(LogForm.Journald, folder.File("journal")), "n", toError: false);

    private Socket Journal()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified)
        {
            ReceiveTimeout = 10_000,
        };
        socket.Bind(new UnixDomainSocketEndPoint(folder.File("journal")));
        return socket;
    }

    private static byte[] Receive(Socket journal)
    {
        byte[] bytes = new byte[64 * 1024];
        return bytes[..journal.Receive(bytes)];
    }

    /// <summary>As systemd reads them: NAME=VALUE, or NAME, a length and a value.</summary>
    private static Dictionary<string, string> Fields(ReadOnlySpan<byte> entry)
    {
        Dictionary<string, string> fields = [];
        while (entry.Length > 0)
        {
            int end = entry.IndexOf((byte)'\n');
            int split = entry[..end].IndexOf((byte)'=');
            string name = Encoding.ASCII.GetString(entry[..(split < 0 ? end : split)]);
            if (split >= 0)
            {
                fields.Add(name, Encoding.UTF8.GetString(entry[(split + 1)..end]));
                entry = entry[(end + 1)..];
                continue;
            }

            entry = entry[(end + 1)..];
            int length = (int)System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(entry);
            entry = entry[sizeof(ulong)..];
            fields.Add(name, Encoding.UTF8.GetString(entry[..length]));
            Assert.Equal((byte)'\n', entry[length]);
            entry = entry[(length + 1)..];
        }

        return fields;
    }

    private static string[] Printed(LogForm form, Action<ILogger> say)
    {
        TextWriter before = Console.Out;
        using StringWriter text = new();
        Console.SetOut(text);
        try
        {
            using ILoggerFactory logs = NodeLogs.Make(new LogSettings(form), "n", toError: false);
            say(logs.CreateLogger("core"));
        }
        finally
        {
            Console.SetOut(before);
        }

        return text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
