using System.Net.Sockets;
using System.Text;

namespace StorageOs.Image.Tests;

/// <summary>Runs commands in a guest that was booted with the tests' overlay.</summary>
internal static class GuestShell
{
    private const string EndMark = "\n=== ";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    /// <summary>Runs one line; its output, and whether it succeeded.</summary>
    public static (bool Good, string Output) Run(string socketPath, string line)
    {
        using Socket socket = new(
            AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(socketPath));
        socket.ReceiveTimeout = (int)Patience.TotalMilliseconds;
        _ = socket.Send(Encoding.UTF8.GetBytes(line + "\n"));
        StringBuilder said = new("\n");
        byte[] buffer = new byte[65536];
        while (true)
        {
            int count = socket.Receive(buffer);
            Assert.True(count > 0, $"the guest's shell closed: {said}");
            said.Append(Encoding.UTF8.GetString(buffer, 0, count));
            string text = said.ToString();
            int end = text.LastIndexOf(EndMark, StringComparison.Ordinal);
            if (end >= 0 && text.EndsWith('\n'))
            {
                string code = text[(end + EndMark.Length)..].Trim();
                return (code == "0", text[..end].Trim());
            }
        }
    }
}
