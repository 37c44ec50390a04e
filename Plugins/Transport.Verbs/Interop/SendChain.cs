using System.Runtime.InteropServices;

namespace StorageOs.Transport.Verbs.Interop;

/// <summary>
/// One-sided operations of a queue pair, chained for a single ibv_post_send: one doorbell, and one
/// completion, that of the last, which by the order of the queue pair speaks for all. An operation
/// that fails completes by itself. Native memory, used by one thread at a time.
/// </summary>
internal sealed unsafe class SendChain : IDisposable
{
    private readonly nint pair;
    private readonly int most;
    private IbvSendWr* works;
    private IbvSge* pieces;
    private ulong* words;

    /// <summary>Makes it for at most so many at once.</summary>
    internal SendChain(nint pair, int most)
    {
        this.pair = pair;
        this.most = most;
        works = (IbvSendWr*)NativeMemory.AllocZeroed((nuint)most, (nuint)sizeof(IbvSendWr));
        pieces = (IbvSge*)NativeMemory.AllocZeroed((nuint)most, (nuint)sizeof(IbvSge));
        words = (ulong*)NativeMemory.AllocZeroed((nuint)most, sizeof(ulong));
    }

    /// <summary>How many wait for the doorbell.</summary>
    internal int Count { get; private set; }

    /// <summary>Whether one more needs the doorbell first.</summary>
    internal bool IsFull => Count == most;

    /// <summary>Adds an operation on registered memory.</summary>
    internal void Add(in WorkRequest request) => Add(in request, request.LocalAddress);

    /// <summary>Adds a write of one word by value; the request must say inline.</summary>
    internal void AddWord(in WorkRequest request, ulong value)
    {
        words[Count] = value;
        Add(in request, (ulong)(words + Count));
    }

    /// <summary>Posts what was added. Returns the error number.</summary>
    internal int Ring()
    {
        if (Count == 0)
        {
            return 0;
        }

        IbvSendWr* last = works + Count - 1;
        last->Next = null;
        last->SendFlags |= IbvConstants.IBV_SEND_SIGNALED;
        Count = 0;
        return InlineVerbs.PostSend(pair, works);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Count = 0;
        NativeMemory.Free(works);
        NativeMemory.Free(pieces);
        NativeMemory.Free(words);
        works = null;
        pieces = null;
        words = null;
    }

    private void Add(in WorkRequest request, ulong localAddress)
    {
        IbvSge* piece = pieces + Count;
        piece->Address = localAddress;
        piece->Length = request.Length;
        piece->Lkey = request.Lkey;
        IbvSendWr* work = works + Count;
        work->WrId = request.Id;
        work->Next = work + 1;
        work->SgList = piece;
        work->NumSge = request.Length == 0 ? 0 : 1;
        work->Opcode = request.Opcode;
        work->SendFlags = request.Flags;
        work->RemoteAddress = request.RemoteAddress;
        work->Rkey = request.Rkey;
        Count++;
    }
}
