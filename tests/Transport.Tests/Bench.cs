using StorageOs.Conformance;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tests;

/// <summary>Writes of one page, and plain copies into the same memory.</summary>
internal sealed class Bench : IDisposable
{
    private const int Ring = 4 * Size.MiB;
    private readonly LoopbackPair pair = new();
    private readonly ConnectedPair nodes;
    private readonly IPort port;
    private readonly IRegion source;
    private readonly IRegion target;
    private readonly IRemoteMemory memory;
    private readonly Completion[] completions = new Completion[1];

    public Bench()
    {
        nodes = new ConnectedPair(pair);
        (port, _) = nodes.Ports();
        source = ConnectedPair.Map(pair.First, Size.Page);
        target = ConnectedPair.Map(pair.Second, Ring);
        memory = pair.First.Import(target.Offer(RemoteAccess.Read | RemoteAccess.Write));
    }

    public void Write(int count)
    {
        for (int i = 0; i < count; i++)
        {
            port.TryPostWrite((ulong)i, source, 0, memory, Offset(i), Size.Page);
            port.Poll(completions);
        }
    }

    public void Copy(int count)
    {
        for (int i = 0; i < count; i++)
        {
            source.Bytes.CopyTo(target.Bytes.Slice(Offset(i), Size.Page));
        }
    }

    private static int Offset(int write) => write % (Ring / Size.Page) * Size.Page;

    public void Dispose()
    {
        nodes.Dispose();
        memory.Dispose();
        pair.Dispose();
    }
}
