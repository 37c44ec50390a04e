using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using StorageOs.Contracts.Services;
using StorageOs.Witness.File.Interop;

namespace StorageOs.Witness.File;

// One immutable file per term: made complete under a random name, flushed, then linked to its
// term's name. The link is the swap: it exists or it does not, it cannot be half written, nobody
// holds a lock that a paused process could keep, and of two that link the same name one fails.
// The directory is flushed by whoever links and by whoever first sees a term and acts on it, for a
// term that is seen but not durable could vanish from under its reader.

/// <summary>
/// Reads and swaps in one directory; blocking, for each group one thread at a time.
/// </summary>
internal sealed class TermDirectory(string path)
{
    private readonly ulong[] lastSeen = new ulong[GroupId.Count];
    private readonly ulong[] madeDurable = new ulong[GroupId.Count];
    private volatile bool made;

    /// <summary>For tests: told each step that must be in order.</summary>
    public Action<string>? Trace { get; set; }

    /// <summary>The entry of the highest term.</summary>
    public WitnessReading Read(GroupId group)
    {
        try
        {
            ulong term = HighestTerm(group);
            return term == 0
                ? new WitnessReading(ReadOutcome.Missing, null)
                : ReadTerm(group, new Term(term));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            lastSeen[group.Value] = 0;
            return new WitnessReading(ReadOutcome.Unavailable, null, failure.Message);
        }
    }

    /// <summary>Links the file of <paramref name="next"/>'s term.</summary>
    public SwapOutcome Swap(RegisterEntry next)
    {
        WitnessReading before = Read(next.Group);
        ulong current = before.Entry?.Term.Value ?? 0;
        if (before.Outcome == ReadOutcome.Unavailable)
        {
            return new SwapOutcome(SwapResult.Undecided, null, before.Detail);
        }

        if (current >= next.Term.Value)
        {
            return Judge(next, before.Entry!);
        }

        if (current != next.Term.Value - 1)
        {
            return new SwapOutcome(
                SwapResult.Undecided, before.Entry,
                $"expected term {next.Term.Value - 1} before the swap, found {current}");
        }

        string temporary = Path.Combine(path, $"temporary-{Guid.NewGuid():N}");
        try
        {
            WriteDurably(temporary, TermFile.Encode(next));
            return Link(temporary, next);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return new SwapOutcome(SwapResult.Undecided, before.Entry, failure.Message);
        }
        finally
        {
            Remove(temporary);
        }
    }

    private SwapOutcome Link(string temporary, RegisterEntry next)
    {
        string target = Path.Combine(path, TermFile.Name(next.Group, next.Term));
        Trace?.Invoke("link");
        int error = LibC.link(CString(temporary), CString(target)) == 0
            ? 0
            : Marshal.GetLastPInvokeError();

        // Whatever the call said, the file tells who made it: a reply can be lost on the way.
        WitnessReading after = Read(next.Group);
        string detail = error is 0 or LibC.EEXIST ? after.Detail : $"link: error {error}";
        return after.Entry is RegisterEntry found && found.Term >= next.Term
            ? Judge(next, found)
            : new SwapOutcome(SwapResult.Undecided, after.Entry, detail);
    }

    /// <summary>
    /// A later term hides whose the term in question is; that file is kept, so look.
    /// </summary>
    private SwapOutcome Judge(RegisterEntry next, RegisterEntry highest)
    {
        RegisterEntry? ofTerm = highest.Term == next.Term
            ? highest
            : ReadTerm(next.Group, next.Term).Entry;
        return ofTerm is null
            ? new SwapOutcome(SwapResult.Undecided, highest, $"term {next.Term} is not readable")
            : ofTerm.SwapId == next.SwapId && highest == ofTerm
                ? new SwapOutcome(SwapResult.Won, ofTerm)
                : new SwapOutcome(SwapResult.Lost, highest);
    }

    private WitnessReading ReadTerm(GroupId group, Term term)
    {
        string file = Path.Combine(path, TermFile.Name(group, term));
        byte[] bytes = ReadLimited(file);
        RegisterEntry? entry = TermFile.Decode(bytes, group, term, out string wrong);
        if (entry is null)
        {
            return new WitnessReading(ReadOutcome.Unavailable, null, $"{file}: {wrong}");
        }

        if (madeDurable[group.Value] < term.Value)
        {
            FlushDirectory();
            madeDurable[group.Value] = term.Value;
        }

        return new WitnessReading(ReadOutcome.Found, entry);
    }

    /// <summary>
    /// Terms are dense and kept, so the next is probed from the last seen; a list is the start.
    /// </summary>
    private ulong HighestTerm(GroupId group)
    {
        ref ulong last = ref lastSeen[group.Value];
        if (last == 0 || !Exists(group, last))
        {
            last = List(group);
        }

        while (last != 0 && Exists(group, last + 1))
        {
            last++;
        }

        return last;
    }

    private bool Exists(GroupId group, ulong term) =>
        System.IO.File.Exists(Path.Combine(path, TermFile.Name(group, new Term(term))));

    private ulong List(GroupId group)
    {
        if (!made)
        {
            // Here and not before, for a server that is gone makes this wait, or fail. Once, for
            // one that vanishes later is not to look like a new one.
            _ = Directory.CreateDirectory(path);
            made = true;
        }

        string prefix = TermFile.Prefix(group);
        ulong highest = 0;
        foreach (string file in Directory.EnumerateFiles(path, prefix + "*"))
        {
            ReadOnlySpan<char> digits = Path.GetFileName(file.AsSpan())[prefix.Length..];
            if (ulong.TryParse(
                    digits, NumberStyles.None, CultureInfo.InvariantCulture, out ulong term)
                && digits.Length == 20)
            {
                highest = Math.Max(highest, term);
            }
        }

        return highest;
    }

    private static byte[] ReadLimited(string file)
    {
        using FileStream stream = new(
            file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
        byte[] bytes = new byte[TermFile.Bytes + 1];
        int read = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return bytes[..read];
    }

    private void WriteDurably(string file, byte[] bytes)
    {
        using FileStream stream = new(
            file, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1);
        stream.Write(bytes);
        stream.Flush(flushToDisk: true);
        Trace?.Invoke("flush file");
    }

    private void FlushDirectory()
    {
        int descriptor = LibC.open(
            CString(path), LibC.O_RDONLY | LibC.O_DIRECTORY | LibC.O_CLOEXEC);
        if (descriptor < 0)
        {
            throw new IOException($"open {path}: error {Marshal.GetLastPInvokeError()}");
        }

        int result = LibC.fsync(descriptor);
        int error = Marshal.GetLastPInvokeError();
        _ = LibC.close(descriptor);
        if (result != 0)
        {
            throw new IOException($"fsync {path}: error {error}");
        }

        Trace?.Invoke("flush directory");
    }

    private static void Remove(string temporary)
    {
        try
        {
            System.IO.File.Delete(temporary);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // A temporary file that stays is harmless: nobody reads that name, and it is the
            // swap's outcome that the caller must hear.
            System.Diagnostics.Trace.WriteLine(failure.Message);
        }
    }

    private static byte[] CString(string text) => [.. Encoding.UTF8.GetBytes(text), 0];
}
