using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Plugin.Testing;

namespace StorageOs.Sdk.Tests;

/// <summary>The kit's volumes keep what their contract promises, and promise no more.</summary>
public sealed class MemoryVolumesTests : IDisposable
{
    private readonly MemoryVolumes volumes = new MemoryVolumes(seed: 3).Add("vol0", 64 * Size.KiB);
    private readonly Dictionary<string, IVolumes> views = [];
    private readonly ClientPair pair;

    public MemoryVolumesTests()
    {
        pair = new(static () => new ScriptPlugin(new Script()), 1, new()
        {
            // A test asks them, not the client.
            Services = (services, node) => views[node.Name] = volumes.On(
                node, (IReactor)services.Single(static service =>
                    service.ServiceType == typeof(IReactor)).ImplementationInstance!),
        });
        pair.Start();
    }

    public void Dispose() => pair.Dispose();

    [Fact]
    public void What_is_written_is_there_for_both_once_it_is_committed()
    {
        Request write = new(VolumeOperation.Write, 4096, 7);
        Submit(pair.First, write);
        pair.Run(TimeSpan.FromSeconds(1));
        Assert.Null(write.Status);
        On(pair.First, volume => volume.Commit());
        Assert.Equal(VolumeStatus.Ok, write.Status);
        Request read = new(VolumeOperation.Read, 4096, 0);
        Submit(pair.First, read);
        Assert.Equal(VolumeStatus.Ok, read.Status);
        Assert.Equal(7, read.Buffer.Span[0]);

        int told = 0;
        On(pair.Second, volume => Assert.False(volume.Served));
        views["b"].ServingChanged += () => told++;
        volumes.Serve("b");
        Request moved = new(VolumeOperation.Read, 4096, 0);
        Submit(pair.Second, moved);
        Assert.Equal(VolumeStatus.Ok, moved.Status);
        Assert.Equal(7, moved.Buffer.Span[0]);
        Assert.Equal(1, told);
    }

    [Fact]
    public void Who_serves_no_more_is_told_so_of_all_that_is_under_way()
    {
        Request[] writes = [.. Enumerable.Range(0, 16).Select(
            at => new Request(VolumeOperation.Write, at * 4096, 9))];
        ScriptClient client = (ScriptClient)pair.First.Client!;
        client.Reactor.Post(
            _ =>
            {
                IVolume volume = views["a"].All[0];
                Array.ForEach(writes, volume.Submit);
                volume.Commit();
                volumes.Serve("b");
            },
            null);
        pair.Run(TimeSpan.FromSeconds(1));
        Assert.All(writes, static write => Assert.Equal(VolumeStatus.NotOwner, write.Status));
        byte[] bytes = volumes.BytesOf("vol0").ToArray();
        Assert.Contains((byte)9, bytes); // Some of it is done all the same,
        Assert.Contains((byte)0, bytes); // and some is not.
    }

    [Fact]
    public void A_boot_that_crashed_serves_no_more()
    {
        IVolume before = views["a"].All[0];
        Assert.True(before.Served);
        pair.First.Crash();
        pair.First.Start();
        pair.AwaitReady();
        Assert.False(before.Served);
        Assert.True(views["a"].All[0].Served);
        Request beyond = new(VolumeOperation.Read, 64 * Size.KiB, 0);
        Submit(pair.First, beyond);
        Assert.Equal(VolumeStatus.OutOfRange, beyond.Status);
    }

    private void Submit(ClientNode node, Request request) =>
        On(node, volume => volume.Submit(request));

    private void On(ClientNode node, Action<IVolume> action)
    {
        ScriptClient client = (ScriptClient)node.Client!;
        client.Reactor.Post(_ => action(views[node.Name].All[0]), null);
        pair.Run(TimeSpan.FromMilliseconds(10));
        pair.Check();
    }

    private sealed class Request : VolumeRequest
    {
        public Request(VolumeOperation operation, long offset, byte value)
        {
            (Operation, Offset, Length) = (operation, offset, 4096);
            byte[] bytes = new byte[4096];
            bytes.AsSpan().Fill(value);
            Buffer = bytes;
        }

        public VolumeStatus? Status { get; private set; }

        public override void Complete(VolumeStatus status) => Status = status;
    }
}
