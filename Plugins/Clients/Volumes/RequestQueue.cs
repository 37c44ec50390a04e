using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>Requests in order of arrival, linked through themselves: allocates nothing.</summary>
internal struct RequestQueue
{
    private VolumeRequest? last;

    /// <summary>The oldest; null when empty.</summary>
    public VolumeRequest? First { get; private set; }

    /// <summary>Adds one at the end.</summary>
    public void Enqueue(VolumeRequest request)
    {
        request.Next = null;
        if (First is null)
        {
            First = request;
        }
        else
        {
            last!.Next = request;
        }

        last = request;
    }

    /// <summary>Takes the oldest; there must be one.</summary>
    public VolumeRequest Dequeue()
    {
        VolumeRequest request = First!;
        First = request.Next;
        request.Next = null;
        return request;
    }

    /// <summary>Takes all of them, oldest first, linked.</summary>
    public RequestQueue TakeAll()
    {
        RequestQueue all = this;
        this = default;
        return all;
    }
}
