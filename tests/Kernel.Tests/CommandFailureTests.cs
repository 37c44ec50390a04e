using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;

namespace StorageOs.Kernel.Tests;

/// <summary>What the world does to a command ends it with a refusal, not with a stack.</summary>
public sealed class CommandFailureTests
{
    public static TheoryData<string, Action> Failures => new()
    {
        { "network", () => new Socket(SocketType.Stream, ProtocolType.Tcp).Connect(
            IPAddress.Loopback, 1) },
        { "network", () => throw new IOException("x", new SocketException(104)) },
        { "JSON", () => JsonDocument.Parse("{").Dispose() },
        { "program", () => Process.Start("/none/such").Dispose() },
        { "file", () => throw new UnauthorizedAccessException("x") },
        { "file", () => File.ReadAllText("/none/such") },
        { "mine", () => throw new RefusedException(new Refusal("mine", "a", "b")) },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public void A_failure_of_the_world_is_a_refusal_that_says_what_was_found(
        string subject, Action fails)
    {
        Refusal? refusal = CommandFailure.Of(Assert.ThrowsAny<Exception>(fails));
        Assert.Equal(subject, refusal?.Subject);
        Assert.NotEmpty(refusal!.Actual);
    }

    [Fact]
    public void A_bug_is_none() =>
        Assert.Null(CommandFailure.Of(new InvalidOperationException()));

    [Fact]
    public async Task A_command_that_cannot_write_its_files_fails_and_does_not_throw()
    {
        string[] command = ["pair", "--detach", "--dir", "/dev/null/pair"];
        Assert.Equal(
            ExitCode.Failed, await CommandLine.RunAsync(command, () => new FakeManager()));
    }
}
