using Microsoft.Coyote.Runtime;
using StorageOs.Interleavings;
using StorageOs.Interleavings.Doubles;

namespace StorageOs.Transport.Verbs
{
    /// <summary>Few of everything, so that what is full is met.</summary>
    internal static class Limits
    {
        public const int BoardSlots = 4;
        public const int BoardBytes = BoardSlots * sizeof(ulong);
        public const ulong BoardAddress = 0x1000_0000;
        public const int RetiringMax = 2;
    }

    /// <summary>Memory that a card is shown.</summary>
    internal sealed class MappedMemory(int length) : CheckedMemory(length)
    {
        public nint Address => 1;

        public static MappedMemory Anonymous(int length) => new(length);
    }

    /// <summary>A card.</summary>
    internal sealed class Adapter
    {
        public Registration Register(
            nint address, int length, ulong remoteAddress, uint access) => new(this);

        public void Retire(uint key)
        {
            // No key is given out twice here.
        }
    }

    /// <summary>Memory that a card has been shown.</summary>
    internal sealed class Registration(Adapter adapter)
    {
        public Adapter Adapter => adapter;

        public uint RemoteKey => 1;

        public void End()
        {
            // Nothing is registered.
        }
    }

    /// <summary>A queue pair, of which the end takes its time.</summary>
    internal sealed class QueuePair : IDisposable
    {
        private int ends;

        public bool Ended => ends == 1;

        public void Dispose()
        {
            Together.Require(++ends == 1, "a queue pair is destroyed twice");
            SchedulingPoint.Interleave();
        }
    }
}

namespace StorageOs.Transport.Verbs.Interop
{
    /// <summary>Rights; not looked at.</summary>
    internal static class IbvConstants
    {
        internal const uint IBV_ACCESS_LOCAL_WRITE = 1;
        internal const uint IBV_ACCESS_REMOTE_WRITE = 2;
    }
}
