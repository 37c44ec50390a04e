using System.ComponentModel;
using System.Net.Sockets;
using System.Text.Json;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// What of the world ends a command, as a refusal. Anything else is a bug of ours.
/// </summary>
internal static class CommandFailure
{
    /// <summary>The refusal; null for what is a bug.</summary>
    internal static Refusal? Of(Exception failure) => failure switch
    {
        RefusedException refused => refused.Refusal,

        // A stream over a connection wraps what the network says.
        IOException { InnerException: SocketException } or SocketException => new Refusal(
            "network", "a connection that works", failure.Message,
            "see that what it leads to runs, and that its port is the right one and free"),
        JsonException => new Refusal(
            "JSON", "a whole document", failure.Message,
            "correct the file, or see the log of whoever wrote it"),
        Win32Exception => new Refusal(
            "program", "to run", failure.Message, "install it, or correct the PATH"),
        UnauthorizedAccessException => new Refusal(
            "file", "one that may be used", failure.Message,
            "run this as its owner, or correct its rights"),
        IOException => new Refusal(
            "file", "one that can be used", failure.Message,
            "correct the path, or see that its disk has room and works"),
        _ => null,
    };
}
