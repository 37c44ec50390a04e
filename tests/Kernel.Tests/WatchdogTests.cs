using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Tests;

/// <summary>The machine's watchdog, played by a file that keeps what is written to it.</summary>
public sealed class WatchdogTests
{
    [Fact]
    public async Task Nothing_is_written_after_what_disarms_it_however_it_is_fed_meanwhile()
    {
        using TestFolder folder = new();
        string path = folder.File("watchdog");
        for (int round = 0; round < 100; round++)
        {
            File.WriteAllText(path, "");
            HandReactor reactor = new();
            Watchdog watchdog = Watchdog.Start(path, reactor, NullLogger.Instance)!;
            using ManualResetEventSlim fed = new();
            bool over = false;
            Task feeding = Task.Run(() =>
            {
                while (!Volatile.Read(ref over))
                {
                    reactor.Tick();
                    fed.Set();
                }
            });
            fed.Wait();
            watchdog.Dispose();
            watchdog.Dispose();
            Volatile.Write(ref over, true);
            await feeding;
            byte[] written = File.ReadAllBytes(path);
            Assert.Equal(written.Length - 1, Array.IndexOf(written, (byte)'V'));
        }
    }

    [Fact]
    [Raises("watchdog-armed")]
    public void It_is_fed_as_it_is_opened_for_it_may_have_been_left_armed_long_ago()
    {
        using TestFolder folder = new();
        string path = folder.File("watchdog");
        File.WriteAllText(path, "");
        Watchdog.Start(path, new HandReactor(), NullLogger.Instance)!.Dispose();
        Assert.Equal([0, (byte)'V'], File.ReadAllBytes(path));
    }

    /// <summary>Runs what is posted at once, and what is periodic when told to.</summary>
    private sealed class HandReactor : IReactor
    {
        private Action tick = static () => { };

        public string Name => "hand";

        public Instant Now => default;

        public bool IsCurrent => true;

        public void Tick() => tick();

        public void Post(Action<object?> callback, object? state) => callback(state);

        public IDisposable Every(TimeSpan period, Action callback)
        {
            tick = callback;
            return new MemoryStream();
        }

        public IDisposable After(TimeSpan delay, Action callback) =>
            throw new NotSupportedException();

        public IDisposable Poll(Func<bool> poll) => throw new NotSupportedException();

        public IDescriptorWatch Watch(
            SafeHandle handle, DescriptorInterest interest, Action<DescriptorInterest> ready) =>
            throw new NotSupportedException();
    }
}
