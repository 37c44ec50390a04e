using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace StorageOs.Nbd.Tests;

/// <summary>One service address and two nodes, as processes that are killed and stopped.</summary>
public sealed class ServiceAddressTests : IDisposable
{
    private readonly string directory = Rig.NewDirectory();
    private readonly ushort port = Rig.FreePort();
    private readonly List<HostProcess> hosts = [];

    [Fact]
    public async Task The_survivor_of_a_kill_serves_and_the_killed_one_comes_back()
    {
        HostProcess a = Start("a", "b");
        HostProcess b = Start("b", "a");
        await a.Linked();
        await b.Linked();
        a.Say("own");
        using RawClient client = RawClient.Transmitting(port);
        Write(client, 11);
        a.Signal("KILL");
        b.Say("own");
        Assert.Equal(0, client.UntilEnd());
        using RawClient second = RawClient.Transmitting(port);
        Assert.Equal(11, Read(second));
        HostProcess again = Start("a", "b");
        await again.Linked();
        b.Say("disown");
        Assert.Equal(0, second.UntilEnd());
        again.Say("own");
        using RawClient third = RawClient.Transmitting(port);
        Assert.Equal(11, Read(third));
    }

    [Fact]
    public async Task A_client_that_hangs_in_a_stopped_owner_is_dropped_at_the_takeover()
    {
        HostProcess a = Start("a", "b");
        HostProcess b = Start("b", "a");
        await a.Linked();
        await b.Linked();
        a.Say("own");
        using RawClient client = RawClient.Transmitting(port);
        Write(client, 22);
        a.Signal("STOP");
        client.Send(RawClient.Request(0, 1, 0, 512));
        using var waiting = new RawClient(port);
        b.Say("own");
        Assert.Equal(0, client.UntilEnd());
        waiting.Receive(18);
        using RawClient second = RawClient.Transmitting(port);
        Assert.Equal(22, Read(second));

        // Not told of its loss yet, the stopped one wakes: it must leave newcomers to the survivor.
        a.Signal("CONT");
        for (int i = 0; i < 20; i++)
        {
            using RawClient next = RawClient.Transmitting(port);
            Write(next, (byte)(100 + i));
            Assert.Equal(100 + i, Read(second));
        }

        a.Say("disown");
        Assert.Equal(119, Read(second));
    }

    [Fact]
    public async Task Both_killed_and_restarted_serve_again()
    {
        HostProcess a = Start("a", "b");
        HostProcess b = Start("b", "a");
        await a.Linked();
        await b.Linked();
        a.Say("own");
        using RawClient client = RawClient.Transmitting(port);
        Write(client, 33);
        a.Signal("KILL");
        b.Signal("KILL");
        Assert.Equal(0, client.UntilEnd());
        HostProcess secondB = Start("b", "a");
        HostProcess secondA = Start("a", "b");
        await secondA.Linked();
        await secondB.Linked();
        secondB.Say("own");
        using RawClient next = RawClient.Transmitting(port);
        Assert.Equal(33, Read(next));
    }

    [Fact]
    public async Task A_connection_the_owner_closes_ends_though_the_partner_is_stopped()
    {
        HostProcess a = Start("a", "b");
        HostProcess b = Start("b", "a");
        await a.Linked();
        await b.Linked();
        a.Say("own");
        b.Signal("STOP");
        for (int i = 0; i < 600; i++)
        {
            using RawClient client = RawClient.Transmitting(port);
            client.Send(RawClient.Request(2, 1, 0, 0));
            Assert.Equal(0, client.UntilEnd());
        }

        b.Signal("CONT");
        using RawClient last = RawClient.Transmitting(port);
        Write(last, 44);
        a.Signal("KILL");
        b.Say("own");
        Assert.Equal(0, last.UntilEnd());
        Assert.Equal(44, Read(RawClient.Transmitting(port)));
    }

    [Fact]
    public async Task A_client_that_reconnects_goes_on_over_a_kill()
    {
        HostProcess a = Start("a", "b");
        HostProcess b = Start("b", "a");
        await a.Linked();
        await b.Linked();
        a.Say("own");
        Task<string> qemu = Tool.Run("qemu-io", "-c", "write -P 5 0 1M",
            "-c", "sleep 1500", "-c", "read -P 5 0 1M", "-c", "write -P 6 1M 1M",
            "-c", "read -P 6 1M 1M", "--image-opts",
            $"driver=nbd,server.type=inet,server.host=127.0.0.1,server.port={port},"
            + "export=vol0,reconnect-delay=10");
        await Rig.Until(() => FirstByte() == 5, "the first write");
        a.Signal("KILL");
        b.Say("own");
        Assert.DoesNotContain("failed", await qemu);
    }

    public void Dispose()
    {
        hosts.ForEach(host => host.Dispose());
        Directory.Delete(directory, recursive: true);
    }

    private string VolumeFile => Path.Combine(directory, "volume");

    private static void Write(RawClient client, byte value)
    {
        client.Send([.. RawClient.Request(1, 1, 0, 1), value]);
        Assert.Equal("67446698000000000000000000000001", Convert.ToHexString(client.Receive(16)));
    }

    private static int Read(RawClient client)
    {
        client.Send(RawClient.Request(0, 1, 0, 1));
        return client.Receive(17)[16];
    }

    private int FirstByte()
    {
        using FileStream file = File.Open(
            VolumeFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        return file.ReadByte();
    }

    private HostProcess Start(string name, string partner)
    {
        var host = new HostProcess(name, partner, port, directory, VolumeFile);
        hosts.Add(host);
        return host;
    }

    /// <summary>A node's process.</summary>
    private sealed class HostProcess : IDisposable
    {
        private readonly Process process;
        private readonly ConcurrentQueue<string> errors = new();
        private readonly TaskCompletionSource linked =
            new(TaskCreationOptions.RunContinuationsAsynchronously);

        public HostProcess(string name, string partner, ushort port, string directory, string file)
        {
            string dll = Path.Combine(AppContext.BaseDirectory, "StorageOs.Nbd.Host.dll");
            string number = port.ToString(CultureInfo.InvariantCulture);
            process = Process.Start(new ProcessStartInfo(
                "dotnet", [dll, name, partner, number, directory, "16", file])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            process.ErrorDataReceived += (_, line) =>
            {
                errors.Enqueue(line.Data ?? "");
                if (line.Data?.Contains("is up", StringComparison.Ordinal) == true)
                {
                    linked.TrySetResult();
                }
            };
            process.BeginErrorReadLine();
            Assert.Equal("ready", process.StandardOutput.ReadLine());
        }

        /// <summary>Waits until it can hand over to its partner.</summary>
        public Task Linked() => linked.Task.WaitAsync(TimeSpan.FromSeconds(10));

        /// <summary>Gives a command and waits until it is done.</summary>
        public void Say(string command)
        {
            process.StandardInput.WriteLine(command);
            string? answer = process.StandardOutput.ReadLine();
            Assert.True(answer == command, $"{command}: {answer}, {string.Join('\n', errors)}");
        }

        public void Signal(string signal)
        {
            string id = process.Id.ToString(CultureInfo.InvariantCulture);
            using Process kill = Process.Start("kill", ["-" + signal, id]);
            kill.WaitForExit();
            if (signal == "KILL")
            {
                process.WaitForExit();
            }
            else if (signal == "STOP")
            {
                // A thread that runs on the other processor stops a little later.
                Assert.True(SpinWait.SpinUntil(IsStopped, TimeSpan.FromSeconds(5)));
            }
        }

        private bool IsStopped() => Directory.EnumerateDirectories($"/proc/{process.Id}/task")
            .All(task => File.ReadAllText($"{task}/stat").Split(") ")[^1][0] == 'T');

        public void Dispose()
        {
            if (!process.HasExited)
            {
                process.Kill();
                process.WaitForExit();
            }

            process.Dispose();
        }
    }
}
