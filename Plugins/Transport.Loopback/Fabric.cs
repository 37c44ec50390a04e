using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Loopback.Interop;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// The directory that stands in for the wires, and this node's place on it: a folder named by its
/// Fibre Channel id with a lock (one living process per id), the board, the memory files and
/// the sockets. What a dead process left there goes at the next open of the same id.
/// </summary>
internal sealed class Fabric : IDisposable
{
    private const string BoardName = "board";
    private const string LockName = "lock";
    private readonly string root;
    private readonly string own;
    private readonly SafeFileHandle lockFile;
    private readonly SafeFileHandle rootHandle;
    private readonly MappedLife life;
    private readonly Lock partnerBoardsLock = new();
    private readonly Dictionary<FabricId, MappedBoard> partnerBoards = [];

    private Fabric(string root, string own, FabricId id, SafeFileHandle lockFile)
    {
        this.root = root;
        this.own = own;
        this.lockFile = lockFile;
        Id = id;
        RetireOldBoot();
        Board = MappedBoard.Create(Path.Combine(own, BoardName));
        life = new MappedLife(Board);
        int handle = Libc.open(root, Libc.OpenDirectory | Libc.OpenCloseOnExec);
        rootHandle = handle >= 0
            ? new SafeFileHandle(handle, ownsHandle: true)
            : throw Native.Refused($"open of {root}", Marshal.GetLastPInvokeError());
    }

    /// <summary>This node's id.</summary>
    public FabricId Id { get; }

    /// <summary>This node's board.</summary>
    public MappedBoard Board { get; }

    /// <summary>Takes the id on the fabric; refused while another living process has it.</summary>
    public static Fabric Open(string directory, FabricId id)
    {
        string root = Path.GetFullPath(directory);
        string own = Path.Combine(root, id.FolderName);
        SafeFileHandle? lockFile = null;
        try
        {
            const UnixFileMode OwnerOnly =
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            Directory.CreateDirectory(root, OwnerOnly);
            Directory.CreateDirectory(own, OwnerOnly);
            lockFile = TakeLock(root, Path.Combine(own, LockName), id);
            return new Fabric(root, own, id, lockFile);
        }
        catch (Exception failure)
        {
            lockFile?.Dispose();
            if (failure is IOException or UnauthorizedAccessException)
            {
                throw Native.Refused("option fabric", "a folder this node may write", failure);
            }

            throw;
        }
    }

    /// <summary>Where the memory file of that number is found by whoever has the key.</summary>
    public string MemoryPath(FabricId owner, ulong number) => Path.Combine(
        root, owner.FolderName, "mem-" + number.ToString(CultureInfo.InvariantCulture));

    /// <summary>The listening socket's file.</summary>
    public string SocketPath(FabricId owner, uint virtualInterface) =>
        Path.Combine(root, owner.FolderName, SocketName(virtualInterface));

    /// <summary>
    /// The same by way of an open descriptor, for socket addresses hold 107 bytes and folders may
    /// be deeper.
    /// </summary>
    public string ShortSocketPath(FabricId owner, uint virtualInterface) => Path.Combine(
        "/proc/self/fd",
        rootHandle.DangerousGetHandle().ToString(CultureInfo.InvariantCulture),
        owner.FolderName,
        SocketName(virtualInterface));

    /// <summary>The partner's board as of its present boot; null when there is none.</summary>
    public MappedBoard? PartnerBoard(FabricId partner)
    {
        string path = Path.Combine(root, partner.FolderName, BoardName);
        MappedBoard? found = MappedBoard.TryOpen(path, writable: false);
        lock (partnerBoardsLock)
        {
            if (found is not null
                && partnerBoards.TryGetValue(partner, out MappedBoard? known)
                && known.Boot == found.Boot)
            {
                found.Dispose();
                return known;
            }

            // An older one is unmapped by its finalizer, once no port asks it any more.
            if (found is null)
            {
                partnerBoards.Remove(partner);
            }
            else
            {
                partnerBoards[partner] = found;
            }

            return found;
        }
    }

    /// <summary>Looks for a key on every board of the fabric; control path only.</summary>
    public (MappedBoard Board, FabricId Owner, Grant Grant)? FindGrant(ulong key)
    {
        foreach (string folder in Directory.EnumerateDirectories(root))
        {
            if (!uint.TryParse(
                Path.GetFileName(folder),
                NumberStyles.AllowHexSpecifier,
                CultureInfo.InvariantCulture,
                out uint value))
            {
                continue;
            }

            FabricId owner = new(value);
            MappedBoard? board = owner == Id ? Board : PartnerBoard(owner);
            if (board?.Find(key) is { Access: not 0 } grant)
            {
                return (board, owner, grant);
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Board.ClearAll();
        life.Dispose();
        foreach (string file in Directory.EnumerateFiles(own))
        {
            if (Path.GetFileName(file) != LockName)
            {
                File.Delete(file);
            }
        }

        rootHandle.Dispose();
        lockFile.Dispose();
    }

    /// <summary>
    /// Ends every grant of this id's last process before anything of this one exists: a writer that
    /// outlived it can succeed no more once backing files are read.
    /// </summary>
    private void RetireOldBoot()
    {
        using (MappedBoard? old = MappedBoard.TryOpen(
            Path.Combine(own, BoardName), writable: true))
        {
            old?.ClearAll();
        }

        foreach (string file in Directory.EnumerateFiles(own))
        {
            if (Path.GetFileName(file) != LockName)
            {
                File.Delete(file);
            }
        }
    }

    /// <summary>
    /// Takes the lock that ends with the process. .NET locks by itself when nothing is shared,
    /// unless told not to by the environment, hence the second call.
    /// </summary>
    private static SafeFileHandle TakeLock(string root, string path, FabricId id)
    {
        const int WouldBlock = 11;
        RefusedException taken = new(new Refusal(
            $"transport address {id}",
            "an id that no other process uses on this fabric",
            $"another living process holds it in {root}",
            "stop that process, or give each node its own id"));
        SafeFileHandle file;
        try
        {
            file = File.OpenHandle(
                path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException held) when (held.HResult == WouldBlock)
        {
            throw taken;
        }

        if (Libc.flock(file, Libc.LockExclusive | Libc.LockNonBlocking) != 0)
        {
            file.Dispose();
            throw taken;
        }

        return file;
    }

    private static string SocketName(uint virtualInterface) =>
        "vi-" + virtualInterface.ToString(CultureInfo.InvariantCulture) + ".socket";
}
