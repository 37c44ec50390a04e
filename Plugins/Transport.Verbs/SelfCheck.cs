using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// Before a card is used: a write to itself must arrive at the address that was asked for, and the
/// same write must be refused once the key is revoked.
/// </summary>
internal static class SelfCheck
{
    private const ulong Address = 0x5000_0000_0000;
    private const ulong Value = 0x5345_4c46_4348_4b31;

    /// <summary>Throws what is wrong.</summary>
    public static void Run(Adapter adapter)
    {
        MappedMemory memory = MappedMemory.Anonymous(Size.Page);
        using IDisposable mapped = memory;
        Registration shown = adapter.Register(
            memory.Address,
            Size.Page,
            Address,
            IbvConstants.IBV_ACCESS_LOCAL_WRITE | IbvConstants.IBV_ACCESS_REMOTE_WRITE);
        uint key = shown.RemoteKey;
        using (LoopPair loop = new(adapter))
        {
            Require(adapter, "a write to itself", 0, loop.Write(Address + 8, key, Value));
        }

        ulong found = BitConverter.ToUInt64(memory.GetSpan()[8..]);
        shown.End();
        adapter.Retire(key);
        if (found != Value)
        {
            throw new RefusedException(new Refusal(
                $"self check of {adapter.Name}", $"{Value:x} in memory", $"{found:x}"));
        }

        using LoopPair dead = new(adapter);
        Require(
            adapter,
            "a write under a revoked key",
            IbvConstants.IBV_WC_REM_ACCESS_ERR,
            dead.Write(Address + 8, key, 0));
    }

    private static void Require(Adapter adapter, string what, uint expected, uint status)
    {
        if (status != expected)
        {
            throw new RefusedException(new Refusal(
                $"self check of {adapter.Name}: {what}",
                $"completion status {expected}",
                $"{status}",
                "check the device with ibv_rc_pingpong; do not use it for storage as it is"));
        }
    }
}
