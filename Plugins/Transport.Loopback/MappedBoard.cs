using System.Runtime.InteropServices;
using System.Security.Cryptography;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Loopback;

// The board of a node is a file of slots that its partner maps read-only. A slot that begins with
// a key grants what the rest of the slot says; zero grants nothing. A key is 52 random bits and,
// below them, the number of its slot, so that it is found without searching. No key comes twice:
// whoever holds one compares the slot's first word with it and thereby learns, in one aligned
// 8-byte load, whether this very grant still stands, even when the slot has been used again since.
// Ends of ports are slots, too: a port is open while its slot holds its id.
//
// Every boot makes a new board, after it has cleared all slots of the old one: with that, a writer
// that still holds keys of the boot before can't complete anything with success any more.

/// <summary>A mapped board, one's own or the partner's. Any thread.</summary>
internal sealed unsafe class MappedBoard : IDisposable
{
    private const ulong Magic = 0x3130_4452_4231_4253; // "SB1BRD01" as it lies in memory.
    private const int BootOffset = 8;
    private const int LifeOffset = 16;
    private const int AccessOffset = 8;
    private const int AddressOffset = 16;
    private const int LengthOffset = 24;
    private const int MemoryOffset = 32;

    private readonly MappedFile file;

    private MappedBoard(MappedFile file) => this.file = file;

    /// <summary>
    /// Unmaps the board of a former boot of the partner once no port can ask it any more; a port
    /// may be disposed by one thread while another posts: only the collector knows when that is.
    /// </summary>
    ~MappedBoard() => ((IDisposable)file).Dispose();

    /// <summary>Random number of the boot that made the board.</summary>
    public ulong Boot => *(ulong*)(file.Address + BootOffset);

    /// <summary>The futex that says whether the board's process lives; see MappedLife.</summary>
    public uint* LifeWord => (uint*)(file.Address + LifeOffset);

    /// <summary>Makes this boot's board under a temporary name and moves it into place.</summary>
    public static MappedBoard Create(string path)
    {
        string made = path + ".new";
        MappedFile file = MappedFile.Create(made, Limits.BoardBytes);
        *(ulong*)file.Address = Magic;
        *(ulong*)(file.Address + BootOffset) =
            BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        File.Move(made, path, overwrite: true);
        return new MappedBoard(file);
    }

    /// <summary>Maps a board; null when there is none or the file is something else.</summary>
    public static MappedBoard? TryOpen(string path, bool writable)
    {
        MappedFile? file = MappedFile.TryOpen(
            path, Limits.BoardBytes, writable, populate: false);
        if (file is not null && *(ulong*)file.Address != Magic)
        {
            ((IDisposable)file).Dispose();
            file = null;
        }

        return file is null ? null : new MappedBoard(file);
    }

    /// <summary>The slot a key lies in.</summary>
    public static int SlotOf(ulong key) => (int)(key % Limits.BoardSlots);

    /// <summary>A key for a slot, never given before.</summary>
    public static ulong NewKey(int slot)
    {
        ulong random = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        ulong key = (random & ~(ulong)(Limits.BoardSlots - 1)) | (uint)slot;
        return key < Limits.BoardSlots ? NewKey(slot) : key;
    }

    /// <summary>
    /// Whether the grant of that key stands at this moment. The steady path's one question.
    /// </summary>
    public bool Holds(ulong key)
    {
        bool holds = Volatile.Read(ref *(ulong*)Slot(SlotOf(key))) == key;
        GC.KeepAlive(this);
        return holds;
    }

    /// <summary>Publishes a grant: its terms first, the key last.</summary>
    public void Publish(ulong key, Grant grant)
    {
        byte* slot = Slot(SlotOf(key));
        Invariant.Require(*(ulong*)slot == 0);
        *(ulong*)(slot + AccessOffset) = (ulong)grant.Access;
        *(ulong*)(slot + AddressOffset) = grant.Address;
        *(ulong*)(slot + LengthOffset) = grant.Length;
        *(ulong*)(slot + MemoryOffset) = grant.Memory;
        Volatile.Write(ref *(ulong*)slot, key);
        Interlocked.MemoryBarrier();
    }

    /// <summary>
    /// Ends a grant. The barrier puts the cleared word before every later access of this thread:
    /// whoever saw the key after its own barrier had written before (see MappedRemoteMemory).
    /// </summary>
    public void Clear(ulong key)
    {
        Volatile.Write(ref *(ulong*)Slot(SlotOf(key)), 0);
        Interlocked.MemoryBarrier();
    }

    /// <summary>Ends every grant.</summary>
    public void ClearAll()
    {
        for (int slot = 0; slot < Limits.BoardSlots; slot++)
        {
            Volatile.Write(ref *(ulong*)Slot(slot), 0);
        }

        Interlocked.MemoryBarrier();
    }

    /// <summary>
    /// What a key grants; null when it grants nothing. What is found is checked by the reader.
    /// </summary>
    public Grant? Find(ulong key)
    {
        if (key == 0 || !Holds(key))
        {
            return null;
        }

        byte* slot = Slot(SlotOf(key));
        Grant grant = new(
            (RemoteAccess)(*(ulong*)(slot + AccessOffset) & 3),
            *(ulong*)(slot + AddressOffset),
            *(ulong*)(slot + LengthOffset),
            *(ulong*)(slot + MemoryOffset));
        Interlocked.MemoryBarrier();
        return Holds(key) ? grant : null; // Otherwise the terms may be the next key's.
    }

    /// <summary>Unmaps; only where no other thread can be asking.</summary>
    public void Dispose()
    {
        ((IDisposable)file).Dispose();
        GC.SuppressFinalize(this);
    }

    private byte* Slot(int slot) => file.Address + Size.Page + (slot * Limits.SlotBytes);
}

/// <summary>What a key grants.</summary>
/// <param name="Access">Rights; none for a port's end.</param>
/// <param name="Address">Address of the first byte.</param>
/// <param name="Length">Length in bytes.</param>
/// <param name="Memory">Number of the memory file in the owner's folder.</param>
internal readonly record struct Grant(
    RemoteAccess Access, ulong Address, ulong Length, ulong Memory);
