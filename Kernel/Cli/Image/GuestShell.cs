using System.Net.Sockets;
using System.Text;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>
/// Runs lines in a guest by the shell of <c>image/guest-shell</c>, one after the other: it answers
/// each with what it printed and its exit code.
/// </summary>
internal sealed class GuestShell(PairLayout pair, string name)
{
    private const string EndMark = "\n=== ";
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromMinutes(5);
    private readonly string socketPath = Path.Combine(pair.Directory, name, "shell.sock");

    /// <summary>Runs one line; whether it succeeded, and what it printed.</summary>
    /// <exception cref="RefusedException">It did not end in time.</exception>
    internal async Task<(bool Good, string Output)> TryAsync(
        string line, CancellationToken cancellation)
    {
        (string code, string output) = await LimitedAsync(line, cancellation);
        return (code == "0", output);
    }

    /// <summary>Runs one line; what it printed.</summary>
    /// <exception cref="RefusedException">It failed, or did not end in time.</exception>
    internal async Task<string> RunAsync(string line, CancellationToken cancellation)
    {
        (string code, string output) = await LimitedAsync(line, cancellation);
        return code == "0" ? output : throw new RefusedException(new Refusal(
            $"guest {name}: {line}", "exit code 0", $"{code}: {Last(output)}"));
    }

    private async Task<(string Code, string Output)> LimitedAsync(
        string line, CancellationToken cancellation)
    {
        using CancellationTokenSource limit =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(AnswerTimeMax);
        try
        {
            return await ExchangeAsync(line, limit.Token);
        }
        catch (OperationCanceledException late) when (!cancellation.IsCancellationRequested)
        {
            throw new RefusedException(new Refusal(
                $"guest {name}: {line}", $"its end within {AnswerTimeMax.TotalMinutes} minutes",
                "none", "see the guest's console.log"), late);
        }
    }

    private async Task<(string Code, string Output)> ExchangeAsync(
        string line, CancellationToken cancellation)
    {
        using Socket socket = new(
            AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellation);
        _ = await socket.SendAsync(Encoding.UTF8.GetBytes(line + "\n"), cancellation);
        StringBuilder said = new("\n");
        byte[] buffer = new byte[64 * Size.KiB];
        while (true)
        {
            int count = await socket.ReceiveAsync(buffer, cancellation);
            string text = said.Append(Encoding.UTF8.GetString(buffer, 0, count)).ToString();
            int end = text.LastIndexOf(EndMark, StringComparison.Ordinal);
            if (end >= 0 && text.EndsWith('\n'))
            {
                return (text[(end + EndMark.Length)..].Trim(), text[..end].Trim());
            }

            if (count == 0)
            {
                return ("no code, the guest's shell closed", text);
            }
        }
    }

    private static string Last(string output) =>
        string.Join(" | ", output.Split('\n').TakeLast(3));
}
