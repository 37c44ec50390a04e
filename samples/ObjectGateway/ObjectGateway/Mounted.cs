using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace Sample.ObjectGateway;

/// <summary>
/// A volume that is mounted, until this node serves it no more: lets threads of the pool ask the
/// store, on its reactor, and carries out what it decides. Once lost it stays so.
/// </summary>
internal sealed class Mounted(Store store, VolumeIo io, IReactor reactor, Action<string> failed)
{
    private bool lost;

    /// <summary>The store; on the reactor only.</summary>
    public Store Store => store;

    /// <summary>Ends it; on the reactor only. What waits is answered, what comes is not done.
    /// </summary>
    public void Lose()
    {
        lost = true;
        store.Lose();
    }

    /// <summary>Asks the store something; any thread.</summary>
    /// <returns>The answer; what <paramref name="otherwise"/> is when it is lost.</returns>
    public Task<T> AskAsync<T>(Func<Store, T> ask, T otherwise)
    {
        TaskCompletionSource<T> answer = New<T>();
        reactor.Post(_ => answer.SetResult(lost ? otherwise : ask(store)), null);
        return answer.Task;
    }

    /// <summary>Tells the store something, unless it is lost; any thread.</summary>
    public void Tell(Action<Store> tell) => reactor.Post(
        _ =>
        {
            if (!lost)
            {
                tell(store);
                Pump();
            }
        },
        null);

    /// <summary>Reads a chunk of a pinned object; any thread.</summary>
    public Task<VolumeStatus> ReadAsync(Entry entry, int chunk, Memory<byte> into)
    {
        TaskCompletionSource<VolumeStatus> answer = New<VolumeStatus>();
        reactor.Post(
            _ =>
            {
                if (lost)
                {
                    answer.SetResult(VolumeStatus.NotOwner);
                }
                else
                {
                    io.Run(store.Read(entry, chunk, into), status =>
                    {
                        Note(status, isRead: true);
                        answer.SetResult(lost ? VolumeStatus.NotOwner : status);
                    });
                }
            },
            null);
        return answer.Task;
    }

    /// <summary>Makes room for the next chunk of an object and writes it; any thread.</summary>
    /// <returns>Why there is no room, null when there is; and how the write ended.</returns>
    public Task<(Refusal? Full, VolumeStatus Status)> WriteAsync(
        Upload upload, Memory<byte> chunk, int bytes, uint sum)
    {
        TaskCompletionSource<(Refusal?, VolumeStatus)> answer = New<(Refusal?, VolumeStatus)>();
        reactor.Post(
            _ =>
            {
                if (lost)
                {
                    answer.SetResult((null, VolumeStatus.NotOwner));
                }
                else if (store.Extend(upload, upload.Bytes + bytes) is { } full)
                {
                    answer.SetResult((full, VolumeStatus.Ok));
                }
                else
                {
                    io.Run(store.Write(upload, chunk, bytes, sum), status =>
                    {
                        Note(status, isRead: false);
                        answer.SetResult((null, status));
                    });
                }
            },
            null);
        return answer.Task;
    }

    /// <summary>Asks for a change and waits until it is durable; any thread.</summary>
    public Task<Outcome> ChangeAsync(Action<Store, Action<Outcome>> change)
    {
        TaskCompletionSource<Outcome> answer = New<Outcome>();
        reactor.Post(
            _ =>
            {
                if (lost)
                {
                    answer.SetResult(Outcome.Dropped);
                }
                else
                {
                    change(store, answer.SetResult);
                    Pump();
                }
            },
            null);
        return answer.Task;
    }

    private static TaskCompletionSource<T> New<T>() =>
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Pump()
    {
        if (store.NextCommit() is { } steps)
        {
            io.Run(steps, status =>
            {
                Note(status, isRead: false);
                Pump();
            });
        }
    }

    /// <summary>
    /// A read that the disk failed is that object's; after all else nobody knows what stands on
    /// the volume, so it is mounted anew by whoever serves it.
    /// </summary>
    private void Note(VolumeStatus status, bool isRead)
    {
        if (status != VolumeStatus.Ok && !(isRead && status == VolumeStatus.IoError) && !lost)
        {
            Lose();
            failed($"a request ended as {status}");
        }
    }
}
