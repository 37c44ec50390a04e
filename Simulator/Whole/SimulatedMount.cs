using StorageOs.Contracts.Services;
using StorageOs.Volumes;

namespace StorageOs.Simulator.Whole;

/// <summary>
/// A plugin of one node that keeps something in its volumes: it reads each in the very call that
/// tells that it is served, long before any client could.
/// </summary>
internal sealed class SimulatedMount
{
    private const int BlocksRead = 8;
    private readonly WholePair pair;
    private readonly WholeNode node;
    private readonly VolumesClient volumes;
    private readonly ulong boot;
    private readonly HashSet<int> served = [];

    /// <summary>Listens to the volumes of a node's boot.</summary>
    public SimulatedMount(WholePair pair, WholeNode node, VolumesClient volumes, ulong boot)
    {
        (this.pair, this.node, this.volumes, this.boot) = (pair, node, volumes, boot);
        volumes.ServingChanged += Look;
    }

    private void Look()
    {
        for (int volume = 0; volume < volumes.All.Count; volume++)
        {
            if (!volumes.All[volume].Served)
            {
                served.Remove(volume);
            }
            else if (served.Add(volume))
            {
                ReadSome(volume);
            }
        }
    }

    private void ReadSome(int volume)
    {
        for (int of = 0; of < BlocksRead; of++)
        {
            Read(volume, pair.Shape.BlockAt(of * pair.Shape.BlocksUsed / BlocksRead));
        }
    }

    private void Read(int volume, int block)
    {
        long begun = pair.History.Tick();
        volumes.All[volume].Submit(new Reading(
            (status, bytes) =>
            {
                if (!node.IsIn(boot) || status != VolumeStatus.Ok)
                {
                    return;
                }

                if (History.ValueOf(bytes) is { } value)
                {
                    pair.History.AddRead(volume, block, value, begun);
                }
                else
                {
                    pair.World.Fail($"volume {volume} block {block} is torn when mounted");
                }
            })
        {
            Operation = VolumeOperation.Read,
            Offset = (long)block * History.BlockBytes,
            Length = History.BlockBytes,
            Buffer = new byte[History.BlockBytes],
        });
    }

    private sealed class Reading(Action<VolumeStatus, ReadOnlySpan<byte>> answered) : VolumeRequest
    {
        public override void Complete(VolumeStatus status) => answered(status, Buffer.Span);
    }
}
